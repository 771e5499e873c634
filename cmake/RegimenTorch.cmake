# A minimal target for the CPU libraries of the PyPI wheel. find_package(Torch) is not used: it demands a CUDA toolkit.
set(REGIMEN_TORCH_VERSION 2.11.0)
set(REGIMEN_TORCH_DIR "" CACHE PATH "The torch package's folder (site-packages/torch)")
if(NOT REGIMEN_TORCH_DIR AND SKBUILD)
  # pip builds against the torch of the Python that it builds with.
  execute_process(COMMAND ${Python_EXECUTABLE} -c "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
    OUTPUT_VARIABLE torch OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(REGIMEN_TORCH_DIR ${torch} CACHE PATH "" FORCE)
endif()
if(NOT REGIMEN_TORCH_DIR)
  file(GLOB candidates ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
  list(GET candidates 0 REGIMEN_TORCH_DIR)
endif()
if(NOT EXISTS ${REGIMEN_TORCH_DIR}/include/ATen/ATen.h)
  message(FATAL_ERROR "torch ${REGIMEN_TORCH_VERSION} not found; run scripts/setup or pass -DREGIMEN_TORCH_DIR")
endif()
add_library(regimen_torch INTERFACE)
target_include_directories(regimen_torch SYSTEM INTERFACE
  ${REGIMEN_TORCH_DIR}/include ${REGIMEN_TORCH_DIR}/include/torch/csrc/api/include)
# The wheel is gcc's; since version 18 clang mangles constrained template parameters as no gcc before 14 does.
target_compile_options(regimen_torch INTERFACE $<$<CXX_COMPILER_ID:Clang>:-fclang-abi-compat=17>)
target_link_directories(regimen_torch INTERFACE ${REGIMEN_TORCH_DIR}/lib)
target_link_libraries(regimen_torch INTERFACE -Wl,--no-as-needed c10 torch_cpu -Wl,--as-needed)
if(NOT SKBUILD) # what is installed has a path of its own, RegimenInstall.cmake
  target_link_options(regimen_torch INTERFACE -Wl,-rpath,${REGIMEN_TORCH_DIR}/lib)
endif()
