//===- RankReports.cpp ----------------------------------------------------===//
#include "runtime/comm/RankReports.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <unistd.h>
#include <utility>

namespace regimen::runtime {

/// Less than a pipe holds, so that no rank waits for a reader.
constexpr size_t kLongestText = 32 << 10;

RankReports::~RankReports() {
  for (const Report &report : reports)
    if (report.pipe >= 0)
      close(report.pipe);
}

void RankReports::send(int pipe, Kind kind, std::string_view text) {
  std::string message(1, static_cast<char>(kind));
  message += text.substr(0, kLongestText);
  // Nobody is left to tell when this fails.
  [[maybe_unused]] ssize_t written = write(pipe, message.data(), message.size());
}

void RankReports::add(int pipe) { reports.emplace_back().pipe = pipe; }

void RankReports::receive(size_t rank) {
  Report &report = reports[rank];
  std::string message;
  std::array<char, 4096> buffer;
  while (true) {
    ssize_t count = read(report.pipe, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      break;
    message.append(buffer.data(), static_cast<size_t>(count));
  }
  close(std::exchange(report.pipe, -1));
  if (message.empty())
    return;
  report.kind = static_cast<Kind>(message[0]);
  report.text = message.substr(1);
  // Some messages begin with the rank that says it.
  if (std::string own = fmt::format("rank {}: ", rank); report.text.starts_with(own))
    report.text.erase(0, own.size());
}

void RankReports::addEndedBy(size_t rank, int signal) {
  reports[rank].kind = Kind::Failed;
  reports[rank].text = fmt::format("ended by signal {} ({})", signal, strsignal(signal));
}

std::vector<std::string> RankReports::messages() const {
  std::vector<std::string> failures = messages(Kind::Failed);
  return failures.empty() ? messages(Kind::Lost) : failures;
}

std::vector<std::string> RankReports::messages(Kind kind) const {
  std::vector<std::string> result;
  std::vector<bool> told(reports.size());
  for (size_t first = 0; first < reports.size(); ++first) {
    if (told[first] || reports[first].kind != kind)
      continue;
    std::vector<size_t> same;
    for (size_t rank = first; rank < reports.size(); ++rank)
      if (reports[rank].kind == kind && reports[rank].text == reports[first].text) {
        same.push_back(rank);
        told[rank] = true;
      }
    const bool all = same.size() == reports.size();
    result.push_back((all ? "" : listRanks(same) + ": ") + reports[first].text);
  }
  return result;
}

std::string listRanks(const std::vector<size_t> &ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (size_t i = 0; i < ranks.size(); ++i)
    text += fmt::format("{}{}", i == 0 ? "" : i + 1 == ranks.size() ? " and " : ", ", ranks[i]);
  return text;
}

} // namespace regimen::runtime
