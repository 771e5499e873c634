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
      .def("shard", &Model::shard)
      .def("parameter_part", &Model::parameterPart)
      .def("whole_parameter", &Model::wholeParameter)
      .def("whole_gradient", &Model::wholeGradient)
      .def("whole_state", &Model::wholeState)
      .def("set_parameter", &Model::setParameter)
      .def("set_gradient", &Model::setGradient)
      .def("set_state", &Model::setState)
      .def("module_buffer_names", &Model::moduleBufferNames)
      .def("module_buffer", &Model::moduleBuffer)
      .def("share_module_buffer", &Model::shareModuleBuffer)
      .def("layout", &Model::layout)
      .def("bind_parameters", &Model::bindParameters)
      .def("forward", &Model::forward)
      .def("signature", &Model::signature)
      .def("update", &Model::update)
      .def("set_sync", &Model::setSync)
      .def("sum_of_squares", &Model::sumOfSquares)
      .def("gradient_squares", &Model::gradientSquares)
      .def("root_of_squares", &Model::rootOfSquares)
      .def("scale_gradients", &Model::scaleGradients)
      .def("zero_gradients", &Model::zeroGradients)
      .def("bytes_sent", &Model::bytesSent)
      .def("frames", &Model::frames)
      .def("memory", &Model::memory);
}

} // namespace regimen::runtime
