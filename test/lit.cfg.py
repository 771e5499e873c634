"""lit's configuration: IR tests of dialects and passes, run by regimen-opt and checked by FileCheck."""

import pathlib

import lit.formats

# lit gives `config` and `lit_config`; the site configuration in the build tree sets the two tool folders.
config.name = "regimen"  # noqa: F821
config.test_format = lit.formats.ShTest(execute_external=False)  # noqa: F821
config.suffixes = [".mlir"]  # noqa: F821
config.excludes = ["Inputs"]  # noqa: F821
config.test_source_root = str(pathlib.Path(__file__).parent)  # noqa: F821

for folder, tools in (
    (config.regimen_tools_dir, ["regimen-opt", "regimen-compile", "regimen-plan"]),  # noqa: F821
    (config.llvm_tools_dir, ["FileCheck", "not"]),  # noqa: F821
):
    for tool in tools:
        # A tool's name stands for its path only where a command word can stand, not inside words or options.
        config.substitutions.append(  # noqa: F821
            (rf"(?<![\w/.-]){tool}(?![\w/.-])", str(pathlib.Path(folder) / tool))
        )
