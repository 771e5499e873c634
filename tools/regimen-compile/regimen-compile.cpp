//===- regimen-compile.cpp - An exported graph to a training plan ---------===//
#include "FitMemory.h"
#include "formats/AtomicFile.h"
#include "formats/Error.h"
#include "formats/plan/Plan.h"
#include "formats/pt2/ExportedProgram.h"
#include "passes/CompileConfig.h"
#include "passes/Pipelines.h"
#include "passes/autodiff/Passes.h"
#include "passes/budget/Recomputation.h"
#include "passes/emit/EmitPlan.h"
#include "passes/import/EvaluationExport.h"
#include "passes/import/ImportPt2.h"
#include "tools/common/Startup.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Support/Timing.h"
#include "llvm/Support/raw_ostream.h"
#include <CLI/CLI.hpp>
#include <array>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fmt/core.h>
#include <map>
#include <unistd.h>

using namespace regimen;

namespace {

constexpr const char *footer = R"(Examples:
  regimen-compile gpt2.pt2 -o gpt2.plan
  regimen-compile gpt2.pt2 -o gpt2.plan --set optimizer.lr=3e-4 --set accumulate=4
  regimen-compile gpt2.pt2 -o gpt2.plan --config train.json --dim input_ids.0=8 --dim input_ids.1=512
  regimen-compile gpt2.pt2 -o gpt2.plan --eval gpt2-eval.pt2
  regimen-compile gpt2.pt2 --compile-to=autodiff          prints the IR after that stage

Configuration keys are listed in docs/config.md.)";

struct Options {
  std::string model;
  std::string output;
  std::string config;
  std::vector<std::string> assignments;
  std::vector<std::string> dims;
  std::string eval;
  std::vector<std::string> evalDims;
  std::string compileTo = "emit";
  bool timing = false;
};

/// "input_ids.0=4" to {"input_ids.0", 4}; each as often as the option was given.
std::map<std::string, int64_t> parseDims(const std::string &option,
                                         const std::vector<std::string> &given) {
  std::map<std::string, int64_t> dims;
  for (const std::string &text : given) {
    size_t equals = text.find('=');
    int64_t value = 0;
    const char *end = text.data() + text.size();
    auto fail = [&](const char *what) { throw Error(option + " " + text + ": " + what); };
    if (equals == std::string::npos ||
        std::from_chars(text.data() + equals + 1, end, value).ptr != end || value < 1)
      fail("expected INPUT.AXIS=N with N at least 1, e.g. input_ids.0=8");
    if (!dims.emplace(text.substr(0, equals), value).second)
      fail("this axis is given twice");
  }
  return dims;
}

/// Prints a diagnostic as one message: what, then where it is in the model.
class DiagnosticPrinter {
public:
  explicit DiagnosticPrinter(mlir::MLIRContext &context)
      : handler(&context, [this](mlir::Diagnostic &diagnostic) { print(diagnostic); }) {}

  bool sawError() const { return errors > 0; }

private:
  void print(mlir::Diagnostic &diagnostic) {
    bool error = diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error;
    if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Remark)
      return;
    // The first error says it; what follows from it would only hide it.
    if (error && errors++ > 0)
      return;
    llvm::errs() << "regimen-compile: " << (error ? "error: " : "warning: ") << diagnostic.str();
    printLocation(diagnostic.getLocation());
    for (mlir::Diagnostic &note : diagnostic.getNotes())
      llvm::errs() << "\n  " << note.str();
    llvm::errs() << "\n";
  }

  static void printLocation(mlir::Location location) {
    if (auto named = llvm::dyn_cast<mlir::NameLoc>(location)) {
      llvm::errs() << "\n  in layer '" << named.getName().getValue() << "'";
      location = named.getChildLoc();
    }
    if (auto file = llvm::dyn_cast<mlir::FileLineColLoc>(location))
      llvm::errs() << "\n  at " << file.getFilename().getValue() << ":" << file.getLine();
  }

  unsigned errors = 0;
  mlir::ScopedDiagnosticHandler handler;
};

/// Adds the program of --eval, if that is given; returns false after a diagnostic.
bool importEvaluation(const Options &options, passes::ImportOptions importOptions,
                      mlir::ModuleOp module) {
  if (options.eval.empty())
    return true;
  pt2::Archive archive = pt2::Archive::open(options.eval);
  pt2::ExportedProgram program = pt2::ExportedProgram::load(archive);
  importOptions.dimsOption = "--eval-dim";
  importOptions.dims = parseDims(importOptions.dimsOption, options.evalDims);
  mlir::OwningOpRef<mlir::ModuleOp> evaluation =
      passes::importProgram(archive, program, importOptions, *module.getContext());
  if (!evaluation)
    return false;
  passes::addEvaluation(module, *evaluation, archive.name());
  return true;
}

void printModule(mlir::ModuleOp module) {
  mlir::OpPrintingFlags flags;
  flags.elideLargeElementsAttrs(16);
  module->print(llvm::outs(), flags);
  llvm::outs() << "\n";
  llvm::outs().flush();
  if (std::error_code error = llvm::outs().error()) {
    llvm::outs().clear_error();
    throw Error("cannot write to standard output: " + error.message());
  }
}

/// Runs the compiler; returns false after a diagnostic.
bool compile(const Options &options) {
  auto start = std::chrono::steady_clock::now();
  Stage last = parseStage(options.compileTo);
  if (last == Stage::Emit && options.output.empty())
    throw Error("no output: give -o OUT.plan, or --compile-to=STAGE to print a stage's IR");
  auto given = [](const std::string &path) {
    return path.empty() ? std::nullopt : std::optional(path);
  };
  tools::refuseOverwriting(
      std::array{tools::NamedFile{"MODEL.pt2", given(options.model)},
                 tools::NamedFile{"--eval", given(options.eval)},
                 tools::NamedFile{"--config", given(options.config)}},
      std::array{tools::NamedFile{"-o", given(last == Stage::Emit ? options.output : "")}});
  if (last == Stage::Emit)
    AtomicFile::check(options.output); // before the work, not after
  CompileConfig config;
  if (!options.config.empty())
    config.mergeFile(options.config);
  for (const std::string &assignment : options.assignments)
    config.setAssignment(assignment);
  if (!options.eval.empty())
    config.setAssignment("evaluation=true");
  config.validate();

  pt2::Archive archive = pt2::Archive::open(options.model);
  pt2::ExportedProgram program = pt2::ExportedProgram::load(archive);

  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  DiagnosticPrinter diagnostics(context);

  passes::ImportOptions importOptions;
  importOptions.dims = parseDims(importOptions.dimsOption, options.dims);
  importOptions.loss = config.loss;
  importOptions.needsLoss = config.isDriven();
  mlir::OwningOpRef<mlir::ModuleOp> module =
      passes::importProgram(archive, program, importOptions, context);
  if (!module || !importEvaluation(options, importOptions, *module))
    return false;

  mlir::DefaultTimingManager timing;
  timing.setEnabled(options.timing);
  mlir::TimingScope scope = timing.getRootScope();
  auto run = [&](mlir::ModuleOp target, auto build) {
    mlir::PassManager passManager(&context);
    if (options.timing)
      passManager.enableTiming(scope);
    build(passManager);
    return succeeded(passManager.run(target));
  };
  auto stages = [&](const CompileConfig &chosen, Stage first, Stage end) {
    return [&chosen, first, end](mlir::PassManager &passManager) {
      for (Stage stage :
           {Stage::Import, Stage::Autodiff, Stage::Shard, Stage::Schedule, Stage::Allocate})
        if (stage >= first && stage <= end)
          buildStage(passManager, stage, chosen);
    };
  };
  if (last != Stage::Emit) {
    if (!run(*module, stages(config, Stage::Import, last)))
      return false;
    printModule(*module);
    return !diagnostics.sawError();
  }
  if (!run(*module, stages(config, Stage::Import, Stage::Import)))
    return false;

  passes::EmitOptions emitOptions;
  emitOptions.modelPath = options.model;
  emitOptions.planPath = options.output;
  auto compilePlan = [&](const CompileConfig &chosen,
                         bool trial) -> std::optional<plan::fb::PlanT> {
    mlir::OwningOpRef<mlir::ModuleOp> copy = module->clone();
    std::optional<mlir::ScopedDiagnosticHandler> silence;
    if (trial)
      silence.emplace(&context, [](mlir::Diagnostic &) { return mlir::success(); });
    if (!run(*copy, stages(chosen, Stage::Autodiff, Stage::Allocate)))
      return std::nullopt;
    return passes::emitPlan(*copy, chosen, archive, program, emitOptions);
  };
  auto countSteps = [&](const CompileConfig &chosen) {
    mlir::OwningOpRef<mlir::ModuleOp> copy = module->clone();
    size_t most = 0;
    if (run(*copy,
            [&](mlir::PassManager &passManager) { passes::buildMicroSteps(passManager, chosen); }))
      for (auto micro : copy->getOps<train::ProgramOp>())
        if (mlir::Operation *boundary = passes::Recomputation::boundaryOf(micro))
          most = std::max(most, passes::Recomputation(micro, boundary).steps().size());
    return most;
  };
  if (config.memory.limitIsMachines)
    config.memory.limit = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                          static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  std::optional<plan::fb::PlanT> fitted = tools::MemoryFitter(compilePlan, countSteps).fit(config);
  if (!fitted)
    return false;
  const plan::fb::PlanT &plan = *fitted;
  plan::write(plan, options.output);

  plan::MemoryReport memory = plan::memory(plan);
  size_t instructions = 0;
  for (const auto &emitted : plan.programs)
    instructions += emitted->instructions.size();
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::string summary = fmt::format(
      "{}: {} parameters, {} programs, {} instructions, peak {:.2f} MiB ({:.3f}x the lower "
      "bound), {:.2f} s\n",
      options.output, plan.parameters.size(), plan.programs.size(), instructions,
      memory.predictedPeak / 1048576.0,
      memory.lowerBound ? double(memory.predictedPeak) / double(memory.lowerBound) : 1.0,
      seconds.count());
  // The plan is written; that nobody can read this line does not change it.
  std::fputs(summary.c_str(), stdout);
  return true;
}

} // namespace

int main(int argc, char **argv) {
  tools::prepareProcess();
  CLI::App app{"Compiles an exported PyTorch graph (.pt2) into a training plan."};
  app.footer(footer);
  Options options;
  app.add_option("model", options.model, "Exported graph, a .pt2 archive")
      ->required()
      ->type_name("MODEL.pt2");
  app.add_option("-o,--output", options.output, "Plan file to write")->type_name("OUT.plan");
  app.add_option("--config", options.config, "Configuration, a JSON file")->type_name("FILE.json");
  app.add_option("--set", options.assignments, "Sets one configuration key; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("--dim", options.dims, "Fixes a dynamic axis of an input; may be repeated")
      ->type_name("INPUT.AXIS=N")
      ->allow_extra_args(false)
      ->take_all();
  CLI::Option *eval =
      app.add_option("--eval", options.eval,
                     "The same model exported in evaluation mode, for regimen-run --eval-data; "
                     "without it, --set evaluation=true derives that from the training graph")
          ->type_name("EVAL.pt2");
  app.add_option("--eval-dim", options.evalDims, "The same as --dim, for the inputs of --eval")
      ->type_name("INPUT.AXIS=N")
      ->needs(eval)
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("--compile-to", options.compileTo, "Stops after a stage and prints its IR")
      ->type_name("STAGE")
      ->capture_default_str();
  app.add_flag("--timing", options.timing, "Reports how long each pass took");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    return compile(options) ? 0 : 1;
  } catch (const std::exception &error) {
    llvm::errs() << "regimen-compile: error: " << error.what() << "\n";
    return 1;
  }
}
