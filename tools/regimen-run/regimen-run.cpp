//===- regimen-run.cpp - Trains a plan ------------------------------------===//
#include "Progress.h"
#include "formats/Error.h"
#include "runtime/Trainer.h"
#include "runtime/checkpoint/Weights.h"
#include "runtime/kernels/PlannedAllocator.h"
#include "runtime/trace/Tracer.h"

#include <CLI/CLI.hpp>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>

using namespace regimen;
using namespace regimen::runtime;

namespace {

constexpr int kFailure = 1, kUsage = 2;

struct Options {
  std::string plan;
  std::optional<std::string> data, tokens, weights, evalData, metrics, save, resume, dumpGrads,
      trace, memoryReport;
  std::optional<uint64_t> steps, seed;
  uint64_t evalEvery = 0, saveEvery = 0;
  unsigned nproc = 1, tokenBits = 0;
  std::optional<unsigned> threads;
  double timeout = 600;
  bool shuffle = false;
  Labels labels = Labels::Shifted;
  NanPolicy nan = NanPolicy::Stop;
};

constexpr const char *kExamples = R"(Examples:
  regimen-run gpt2.plan --tokens text.bin --labels same --steps 200 --metrics gpt2.jsonl
  regimen-run mlp.plan --data rows.safetensors --shuffle --seed 1 --save out --save-every 100
  regimen-run mlp.plan --data rows.safetensors --resume out --save out --steps 1000
  regimen-run mlp.plan --data rows.safetensors --steps 3 --trace trace.json --memory-report memory.json

--steps counts from the beginning of training, so a resumed run ends where an unbroken one does.
Exit code: 0 done or ended by Ctrl-C, 1 an error, 2 wrong usage.)";

void declare(CLI::App &app, Options &o) {
  app.footer(kExamples);
  app.add_option("PLAN", o.plan, "plan file made by regimen-compile")->required();
  auto *source = app.add_option_group("data", "where micro-batches come from (one of these)");
  source->add_option("--data", o.data,
                     "safetensors file; its tensors are named as the model's inputs");
  source->add_option("--tokens", o.tokens, "headerless stream of uint16 or uint32 tokens");
  source->require_option(1);
  app.add_option("--token-bits", o.tokenBits, "width of the tokens in --tokens; 0 guesses")
      ->check(CLI::IsMember({0, 16, 32}))
      ->capture_default_str();
  app.add_option("--labels", o.labels,
                 "labels from --tokens: 'shifted' by one token, or the 'same' tokens for models "
                 "that shift inside")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Labels>{{"shifted", Labels::Shifted}, {"same", Labels::Same}}))
      ->option_text("shifted|same");
  app.add_flag("--shuffle", o.shuffle, "permute the micro-batches anew in each pass over the data");
  app.add_option("--seed", o.seed, "seed of --shuffle; a resumed run keeps its own unless given")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--weights", o.weights,
                 "initial weights: safetensors file, Hugging Face folder, or .pt2 archive");
  app.add_option("--eval-data", o.evalData, "safetensors file to evaluate on");
  app.add_option("--eval-every", o.evalEvery, "evaluate after every so many steps")
      ->check(CLI::PositiveNumber);
  app.add_option("--steps", o.steps,
                 "train until so many steps are done; else one pass over the data")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--nproc", o.nproc, "local ranks")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--threads", o.threads,
                 "threads of a rank, at most the plan's target.threads, which is the default")
      ->check(CLI::PositiveNumber);
  app.add_option("--timeout", o.timeout, "seconds after which a silent peer counts as lost")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option(
         "--nan", o.nan,
         "when a loss or gradient is not finite: end with an error, leave the update out, or go on")
      ->transform(CLI::CheckedTransformer(std::map<std::string, NanPolicy>{
          {"stop", NanPolicy::Stop}, {"skip", NanPolicy::Skip}, {"ignore", NanPolicy::Ignore}}))
      ->option_text("stop|skip|ignore");
  app.add_option("--metrics", o.metrics, "write one JSON object a step here");
  app.add_option("--save", o.save,
                 "write checkpoints DIR/step-N and the link DIR/model.safetensors");
  app.add_option("--save-every", o.saveEvery, "save after every so many steps; else at the end")
      ->needs("--save")
      ->check(CLI::PositiveNumber);
  app.add_option("--resume", o.resume, "go on from the newest checkpoint in this folder");
  app.add_option("--dump-grads", o.dumpGrads,
                 "write the gradients of the run's first step here (safetensors)");
  app.add_option("--trace", o.trace, "write a timeline for chrome://tracing or Perfetto here");
  app.add_option("--memory-report", o.memoryReport,
                 "write predicted and measured memory here (JSON)");
}

/// Set by the signal handler; the only thing it may touch.
std::atomic<bool> interruptRequested{false};

void onInterrupt(int) {
  // A second Ctrl-C ends the process at once.
  if (interruptRequested.exchange(true))
    std::_Exit(130);
}

void installHandlers() {
  struct sigaction action{};
  action.sa_handler = &onInterrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // A file size limit then shows as a failed write, which is reported.
  std::signal(SIGXFSZ, SIG_IGN);
}

uint64_t numberFromEnvironment(const char *name) {
  const char *text = std::getenv(name);
  if (!text || !*text)
    return 0;
  char *end = nullptr;
  uint64_t value = std::strtoull(text, &end, 10);
  if (*end != '\0')
    throw Error(fmt::format("the environment variable {} is '{}', a number is needed", name, text));
  return value;
}

void refuseWhatIsMissing(const Options &o, const plan::fb::PlanT &plan) {
  uint64_t world = std::max<uint64_t>(o.nproc, numberFromEnvironment("WORLD_SIZE"));
  uint64_t ranks = 1;
  for (const auto &axis : plan.mesh)
    ranks *= axis->size;
  if (world > 1 || ranks > 1)
    throw Error(fmt::format(
        "several ranks are not built yet (the plan's mesh has {}, the launch {}); compile with "
        "mesh.dp=1 and run one rank",
        ranks, world));
  if (o.evalData || o.evalEvery)
    throw Error("evaluation (--eval-data, --eval-every) is not built yet; run without it");
  if (plan.target->device != "cpu")
    throw Error("the plan is for device '" + plan.target->device +
                "', this build runs plans for cpu only");
  if (o.threads.value_or(1) > std::max(1u, plan.target->threads))
    throw Error(fmt::format(
        "--threads {} is above the plan's target.threads={}, for which its memory was planned; "
        "compile with --set target.threads={}",
        *o.threads, plan.target->threads, *o.threads));
}

int run(const Options &o) {
  const plan::fb::PlanT plan = plan::read(o.plan);
  refuseWhatIsMissing(o, plan);
  // Every output is opened before the first step, so that a wrong path costs nothing.
  if (o.save)
    prepareSaving(*o.save);
  std::optional<MetricsWriter> metrics;
  if (o.metrics)
    metrics.emplace(*o.metrics);
  std::unique_ptr<ChromeTracer> tracer;
  if (o.trace)
    tracer = ChromeTracer::create(plan, *o.trace);

  std::unique_ptr<Device> device =
      createCpuDevice(o.threads.value_or(std::max(1u, plan.target->threads)));
  const plan::fb::ProgramT *micro = nullptr;
  for (const auto &program : plan.programs)
    if (program->role == plan::fb::Role::MicroStep && !micro)
      micro = program.get();
  if (!micro)
    throw Error(o.plan + " has no program to train with; compile the model with --set driver=run");
  std::vector<InputSpec> inputs = inputSpecs(plan, *micro);
  std::unique_ptr<DataSource> data = o.data
                                         ? openSafetensorsData(*o.data, inputs)
                                         : openTokenData(*o.tokens, inputs, o.labels, o.tokenBits);

  Executor executor(plan, *device);
  TrainingState state;
  if (o.resume) {
    state = loadCheckpoint(*o.resume, executor);
    if (o.shuffle != state.shuffle)
      fmt::print(
          stderr,
          "regimen-run: warning: the checkpoint was trained {} --shuffle, this run goes on {}\n",
          state.shuffle ? "with" : "without", o.shuffle ? "with" : "without");
  } else {
    loadWeights(executor, o.plan,
                o.weights ? std::optional<std::filesystem::path>(*o.weights) : std::nullopt);
  }
  state.seed = o.seed.value_or(state.seed);
  state.shuffle = o.shuffle;

  TrainerOptions options;
  options.steps = o.steps;
  options.nan = o.nan;
  if (o.save)
    options.saveFolder = *o.save;
  options.saveEvery = o.saveEvery;
  if (o.dumpGrads)
    options.dumpGradients = *o.dumpGrads;
  options.interrupted = [] { return interruptRequested.load(); };
  std::optional<Progress> progress;
  options.onStep = [&](const StepMetrics &step) {
    if (metrics)
      metrics->write(step);
    progress->show(step);
  };
  Trainer trainer(executor, *data, state, std::move(options));
  progress.emplace(state.step, trainer.lastStep(), trainer.samplesPerStep(),
                   trainer.tokensPerStep());
  executor.setTracer(tracer.get());
  trainer.setTracer(tracer.get());
  UnplannedMemory::resetPeak();
  try {
    trainer.train();
  } catch (...) {
    progress->finish();
    throw;
  }
  progress->finish();
  if (tracer)
    tracer->write();
  if (o.memoryReport)
    writeReport(*o.memoryReport, memoryReport(executor));
  if (interruptRequested)
    fmt::print("interrupted after step {}{}\n", trainer.state().step,
               o.save ? "; saved in " + *o.save : "");
  else if (o.save)
    fmt::print("saved step {} in {}\n", trainer.state().step, *o.save);
  return 0;
}

int parseAndRun(int argc, char **argv) {
  Options options;
  CLI::App app("Trains the model of a plan: loss curve, checkpoints, memory and time figures.",
               "regimen-run");
  declare(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  installHandlers();
  try {
    return run(options);
  } catch (const Error &error) {
    fmt::print(stderr, "regimen-run: {}\n", error.what());
  } catch (const c10::Error &error) {
    fmt::print(stderr, "regimen-run: PyTorch failed: {}\n", error.what_without_backtrace());
  } catch (const std::exception &error) {
    fmt::print(stderr, "regimen-run: {}\n", error.what());
  }
  return kFailure;
}

} // namespace

int main(int argc, char **argv) {
  int code = parseAndRun(argc, argv);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  // Everything of ours is closed. The destructors of libtorch's tables would take as long as
  // loading them (0.2 s), to no effect; sanitizers report at the end of a process, so they get one.
  std::fflush(nullptr);
  std::_Exit(code);
#else
  return code;
#endif
}
