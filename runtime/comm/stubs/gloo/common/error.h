//===- error.h - See stubs/README.md --------------------------------------===//
#ifndef REGIMEN_RUNTIME_COMM_STUBS_GLOO_COMMON_ERROR_H
#define REGIMEN_RUNTIME_COMM_STUBS_GLOO_COMMON_ERROR_H

#include <gloo/context.h>

#endif // REGIMEN_RUNTIME_COMM_STUBS_GLOO_COMMON_ERROR_H
