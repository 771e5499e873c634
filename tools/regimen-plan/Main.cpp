//===- Main.cpp - regimen-plan: look at a training plan --------------------===//

#include "formats/AtomicFile.h"
#include "formats/Error.h"
#include "formats/MappedFile.h"
#include "formats/plan/Plan.h"
#include "tools/common/Startup.h"
#include "tools/regimen-plan/CommText.h"
#include "tools/regimen-plan/MemoryPicture.h"
#include "tools/regimen-plan/MemoryText.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>
#include <span>
#include <string>

using namespace regimen;

static constexpr const char *kExamples = R"(Examples:
  regimen-plan show model.plan              every buffer and instruction as text
  regimen-plan check model.plan             prove again that the plan is safe to run
  regimen-plan memory model.plan            where the bytes go, with a picture over time
  regimen-plan memory --json model.plan     the same for a program
  regimen-plan memory model.plan --svg memory.svg   draw it
  regimen-plan comm model.plan              what a rank sends in a step)";

static void print(const std::string &text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw Error("cannot write to standard output");
}

/// Writes the picture of the plan at `path`; prints what there is to print beside it.
static void memory(const std::string &path, bool json, const std::string &picture) {
  plan::fb::PlanT plan = plan::read(path);
  if (!picture.empty()) {
    tools::refuseOverwriting(std::array{tools::NamedFile{"PLAN", path}},
                             std::array{tools::NamedFile{"--svg", picture}});
    AtomicFile file(picture);
    std::string text = plan::memoryPicture(plan);
    file.write(std::as_bytes(std::span(text)));
    file.commit();
    if (!json)
      return;
  }
  print(json ? plan::memoryJson(plan).dump(2) + "\n" : plan::memoryText(plan));
}

/// Prints all violations; true if there are none.
static bool check(const std::string &path, bool json) {
  MappedFile file = MappedFile::open(path);
  plan::fb::PlanT plan = plan::parse(file.bytes(), path);
  std::vector<std::string> violations = plan::validate(plan);
  if (json) {
    nlohmann::json report = {{"valid", violations.empty()}, {"violations", violations}};
    print(report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    return violations.empty();
  }
  for (const std::string &violation : violations)
    std::fprintf(stderr, "%s: %s\n", path.c_str(), violation.c_str());
  if (!violations.empty()) {
    std::fprintf(stderr, "%s: %zu violations\n", path.c_str(), violations.size());
    return false;
  }
  size_t instructions = 0;
  for (const auto &program : plan.programs)
    instructions += program->instructions.size();
  print("valid: " + std::to_string(plan.programs.size()) + " programs, " +
        std::to_string(instructions) + " instructions, " + std::to_string(plan.buffers.size()) +
        " buffers\n");
  return true;
}

int main(int argc, char **argv) {
  tools::prepareProcess();
  CLI::App app("Look at a training plan that regimen-compile wrote.", "regimen-plan");
  app.footer(kExamples);
  app.require_subcommand(1);
  std::string path;
  bool json = false;
  auto add = [&](const char *name, const char *help, bool hasJson) {
    CLI::App *command = app.add_subcommand(name, help);
    command->add_option("PLAN", path, "The plan file")->required();
    if (hasJson)
      command->add_flag("--json", json, "Write JSON");
    return command;
  };
  CLI::App *showCommand = add("show", "Print the whole plan as text", false);
  CLI::App *checkCommand = add("check", "Prove the plan again; exit 1 with what is wrong", true);
  CLI::App *memoryCommand = add("memory", "Show what needs memory, and when", true);
  std::string picture;
  memoryCommand->add_option("--svg", picture, "Draw it as one self-contained SVG file instead")
      ->type_name("FILE.svg");
  CLI::App *commCommand = add("comm", "Show what a rank sends in a step", true);
  for (auto [name, help] : {std::pair("diff", "Compare two plans (not available yet)"),
                            std::pair("simulate", "Predict step time (not available yet)"),
                            std::pair("report", "Summarise a plan (not available yet)")})
    app.add_subcommand(name, help)->allow_extras();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  try {
    if (showCommand->parsed())
      print(plan::print(plan::read(path)));
    else if (checkCommand->parsed())
      return check(path, json) ? 0 : 1;
    else if (memoryCommand->parsed())
      memory(path, json, picture);
    else if (commCommand->parsed())
      print(json ? plan::commJson(plan::read(path)).dump(2) + "\n"
                 : plan::commText(plan::read(path)));
    else
      throw Error("this version cannot do '" + app.get_subcommands().front()->get_name() +
                  "' yet; it has show, check, memory and comm");
  } catch (const std::exception &error) {
    tools::printError("regimen-plan", error.what());
    return 1;
  }
  return 0;
}
