//===- Error.h - The error every reader and the runtime throw -------------===//
#ifndef REGIMEN_FORMATS_ERROR_H
#define REGIMEN_FORMATS_ERROR_H

#include <stdexcept>
#include <string>

namespace regimen {

/// A failure the user can act on: says what, where (file, op, source line) and what to do. Tools
/// print it and exit 1.
class Error : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

} // namespace regimen

#endif // REGIMEN_FORMATS_ERROR_H
