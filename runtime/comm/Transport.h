//===- Transport.h - Bytes from one rank to another -----------------------===//
#ifndef REGIMEN_RUNTIME_COMM_TRANSPORT_H
#define REGIMEN_RUNTIME_COMM_TRANSPORT_H

#include "formats/Error.h"

#include <cstddef>
#include <memory>
#include <string>

namespace regimen::runtime {

/// Another rank has failed or is out of reach, which ends this one, too. Where the other tells what
/// happened, this is no news.
class LostRank : public Error {
public:
  using Error::Error;
};

/// A transfer under way. Its memory belongs to the transfer until wait returns or throws and the
/// object is destroyed.
class Transfer {
public:
  virtual ~Transfer() = default;
  /// Returns when the bytes have left (send) or arrived (receive). Throws LostRank that names the
  /// peer when it is lost, or says what abort was told. Called once.
  virtual void wait() = 0;
};

/// Point-to-point messages between the ranks of one communicator; the collectives need no more.
/// Messages between two ranks with one tag match in the order in which they are posted; a message
/// and its receive have the same size. Calls may come from several threads.
class Transport {
public:
  virtual ~Transport() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual std::unique_ptr<Transfer> send(int peer, int tag, const std::byte *data,
                                         size_t bytes) = 0;
  virtual std::unique_ptr<Transfer> receive(int peer, int tag, std::byte *data, size_t bytes) = 0;
  /// What is posted between the two makes progress together. A transport whose transfers run in
  /// order, as NCCL's on a stream, starts them at the end of the group.
  virtual void beginGroup() {}
  virtual void endGroup() {}
  /// Makes every wait, now and later, throw a LostRank with this message. From any thread; the
  /// first message stays.
  virtual void abort(const std::string &message) = 0;
};

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_COMM_TRANSPORT_H
