//===- RankReports.h - What ended ranks have to say -------------*- C++ -*-===//
#ifndef REGIMEN_RUNTIME_COMM_RANKREPORTS_H
#define REGIMEN_RUNTIME_COMM_RANKREPORTS_H

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace regimen::runtime {

/// Collects how the ranks of a launch ended, and says it once: the ranks that fail at one time, or
/// because of each other, have much the same to tell.
class RankReports {
public:
  /// Lost: the rank ended because another one did.
  enum class Kind : char { None, Failed, Lost };

  RankReports() = default;
  RankReports(const RankReports &) = delete;
  RankReports &operator=(const RankReports &) = delete;
  ~RankReports();

  /// A rank's last words, into its end of the pipe.
  static void send(int pipe, Kind kind, std::string_view text);

  /// The next rank and the end of the pipe to read from, which is this object's now.
  void add(int pipe);
  /// Reads what a rank that has ended has sent.
  void receive(size_t rank);
  void addEndedBy(size_t rank, int signal);
  /// What there is to say, without repetitions.
  std::vector<std::string> messages() const;

private:
  struct Report {
    int pipe = -1;
    Kind kind = Kind::None;
    std::string text;
  };
  std::vector<std::string> messages(Kind kind) const;

  std::vector<Report> reports;
};

/// "rank 3", "ranks 0, 2 and 5".
std::string listRanks(const std::vector<size_t> &ranks);

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_COMM_RANKREPORTS_H
