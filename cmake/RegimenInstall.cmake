# What `pip install` puts beside the Python package: the tools, and the library that PyTorch loads. Torch's libraries are found
# where pip puts them, in the folder beside the package's.
foreach(target regimen-compile regimen-opt regimen-plan regimen-run)
  set_target_properties(${target} PROPERTIES INSTALL_RPATH "$ORIGIN/../../torch/lib" INSTALL_RPATH_USE_LINK_PATH OFF)
  install(TARGETS ${target} RUNTIME DESTINATION regimen/bin)
endforeach()
set_target_properties(regimen_torch_library PROPERTIES INSTALL_RPATH "$ORIGIN/../../torch/lib" INSTALL_RPATH_USE_LINK_PATH OFF)
install(TARGETS regimen_torch_library LIBRARY DESTINATION regimen/lib)
