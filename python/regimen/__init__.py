"""Regimen: training plans from PyTorch models.

``regimen.export`` writes the marked ``.pt2`` archives that ``regimen-compile`` reads.
"""

__version__ = "0.1.0"
