//===- CommText.cpp - What a plan's ranks send -----------------------------===//
#include "tools/regimen-plan/CommText.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>

using namespace regimen;
using namespace regimen::plan;

nlohmann::json regimen::plan::commJson(const fb::PlanT &plan) {
  CommReport report = communication(plan);
  return {{"ranks", ranksOf(plan)},
          {"per_rank",
           {{"all_gather", report.allGather},
            {"reduce_scatter", report.reduceScatter},
            {"all_reduce", report.allReduce}}},
          {"collectives", report.collectives},
          {"depth", report.depth},
          {"total", report.total()},
          {"closed_form", report.closedForm}};
}

template <typename... Args> static std::string line(const char *format, Args... args) {
  char text[256];
  std::snprintf(text, sizeof(text), format, args...);
  return text;
}

std::string regimen::plan::commText(const fb::PlanT &plan) {
  uint32_t ranks = ranksOf(plan);
  if (ranks == 1)
    return "one rank: nothing is sent\n";
  CommReport report = communication(plan);
  std::string text =
      line("%-16s %12s %6s %5s %12s\n", "bucket", "elements", "type", "zero", "shard bytes");
  for (const auto &bucket : plan.buckets)
    text += line("%-16s %12llu %6s %5u %12llu\n", bucket->name.c_str(),
                 static_cast<unsigned long long>(bucket->elements),
                 std::string(name(bucket->dtype)).c_str(), unsigned(bucket->zero),
                 static_cast<unsigned long long>(bucket->elements * elementBytes(bucket->dtype) /
                                                 (bucket->zero ? ranks : 1)));
  text += line("\nsent by a rank in a step, of %u\n", ranks);
  for (auto [what, bytes] :
       {std::pair("all_gather", report.allGather),
        std::pair("reduce_scatter", report.reduceScatter),
        std::pair("all_reduce", report.allReduce), std::pair("total", report.total()),
        std::pair("closed form", report.closedForm)})
    text += line("  %-16s %14llu bytes\n", what, static_cast<unsigned long long>(bytes));
  text +=
      line("  %-16s %14llu\n", "collectives", static_cast<unsigned long long>(report.collectives));
  uint64_t largest = 0;
  for (const auto &bucket : plan.buckets)
    largest = std::max(largest, bucket->elements * elementBytes(bucket->dtype));
  return text +
         line("\nwindows: at most %llu of a kind at once, of the largest bucket's %llu bytes\n",
              static_cast<unsigned long long>(report.depth),
              static_cast<unsigned long long>(largest));
}
