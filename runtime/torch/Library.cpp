//===- Library.cpp - torch.classes.regimen --------------------------------===//
#include "runtime/torch/Model.h"

#include <torch/library.h>

namespace regimen::runtime {

TORCH_LIBRARY(regimen, library) {
  library.class_<Model>("Model")
      .def(torch::init<std::string>())
      .def("load", &Model::load)
      .def("load_update", &Model::loadUpdate)
      .def("parameter_names", &Model::parameterNames)
      .def("trainable", &Model::trainable)
      .def("parameter", &Model::parameter)
      .def("gradient", &Model::gradient)
      .def("state_slots", &Model::stateSlots)
      .def("state", &Model::state)
      .def("module_buffer_names", &Model::moduleBufferNames)
      .def("module_buffer", &Model::moduleBuffer)
      .def("layout", &Model::layout)
      .def("bind_parameters", &Model::bindParameters)
      .def("forward", &Model::forward)
      .def("signature", &Model::signature)
      .def("update", &Model::update)
      .def("settle_gradients", &Model::settleGradients)
      .def("squared_norm_root", &Model::squaredNormRoot)
      .def("frames", &Model::frames)
      .def("memory", &Model::memory);
}

} // namespace regimen::runtime
