# MLIR 22 from the distribution, linked statically; only static libraries of MLIR and LLVM may appear in a link line.
find_package(MLIR 22.1 REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
list(GET MLIR_INCLUDE_DIRS 0 MLIR_TD_INCLUDE_DIR)
include(TableGen)
include(AddLLVM)
include(AddMLIR)
