//===- regimen-run.cpp - Trains a plan ------------------------------------===//
#include "Progress.h"
#include "formats/AtomicFile.h"
#include "formats/Error.h"
#include "runtime/Evaluator.h"
#include "runtime/Trainer.h"
#include "runtime/checkpoint/Weights.h"
#include "runtime/kernels/PlannedAllocator.h"
#include "runtime/trace/Tracer.h"
#include "tools/common/Startup.h"

#include <CLI/CLI.hpp>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <array>
#include <atomic>
#include <charconv>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <new>
#include <unistd.h>

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
  regimen-run mlp.plan --data rows.safetensors --eval-data held-out.safetensors --eval-every 50
  regimen-run mlp.plan --data rows.safetensors --resume out --save out --steps 1000
  regimen-run gpt2-dp4.plan --tokens text.bin --nproc 4 --steps 200
  torchrun --nproc-per-node 4 --no-python regimen-run gpt2-dp4.plan --tokens text.bin --steps 200
  regimen-run mlp.plan --data rows.safetensors --steps 3 --trace trace.json --memory-report memory.json

--steps counts from the beginning of training, so a resumed run ends where an unbroken one does.
Exit code: 0 done or ended by Ctrl-C, 1 an error, 2 wrong usage.)";

/// A whole number in `text`, all of it; CLI11 itself turns what is too large into the largest.
CLI::Validator count(uint64_t least) {
  auto check = [least](const std::string &text) -> std::string {
    uint64_t value = 0;
    const char *end = text.data() + text.size();
    auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error == std::errc() && stop == end && value >= least)
      return "";
    return "'" + text + "' is not a whole number of at least " + std::to_string(least);
  };
  return {check, "N"};
}

CLI::Validator seconds() {
  auto check = [](const std::string &text) -> std::string {
    char *stop = nullptr;
    double value = std::strtod(text.c_str(), &stop);
    return *stop == '\0' && std::isfinite(value) && value > 0
               ? ""
               : "'" + text + "' is not a number of seconds above 0";
  };
  return {check, "SECONDS"};
}

/// One of several words, which stand for the values of an enumeration.
template <typename Value> CLI::Validator choice(const std::map<std::string, Value> &values) {
  auto replace = [values](std::string &text) -> std::string {
    std::string words;
    for (const auto &[word, value] : values) {
      if (text == word) {
        text = std::to_string(static_cast<int>(value));
        return "";
      }
      words += (words.empty() ? "" : ", ") + word;
    }
    return "'" + text + "' is none of " + words;
  };
  return {replace, ""};
}

void declare(CLI::App &app, Options &o) {
  app.footer(kExamples);
  app.add_option("PLAN", o.plan, "plan file made by regimen-compile")->required();
  auto *source = app.add_option_group("data", "where micro-batches come from (one of these)");
  source->add_option("--data", o.data,
                     "safetensors file; its tensors are named as the model's inputs");
  CLI::Option *tokens =
      source->add_option("--tokens", o.tokens, "headerless stream of uint16 or uint32 tokens");
  source->require_option(1);
  app.add_option("--token-bits", o.tokenBits, "width of the tokens in --tokens; 0 guesses")
      ->check(CLI::IsMember({0, 16, 32}))
      ->needs(tokens)
      ->capture_default_str();
  app.add_option("--labels", o.labels,
                 "labels from --tokens: 'shifted' by one token, or the 'same' tokens for models "
                 "that shift inside")
      ->transform(choice<Labels>({{"shifted", Labels::Shifted}, {"same", Labels::Same}}))
      ->needs(tokens)
      ->option_text("shifted|same");
  app.add_flag("--shuffle", o.shuffle, "permute the micro-batches anew in each pass over the data");
  app.add_option("--seed", o.seed, "seed of --shuffle; a resumed run keeps its own unless given")
      ->check(count(0));
  app.add_option("--weights", o.weights,
                 "initial weights: safetensors file, Hugging Face folder, or .pt2 archive");
  app.add_option("--eval-data", o.evalData,
                 "evaluate on all of this data at the end: a file as for --data, or, beside "
                 "--tokens, one as for --tokens if it is not named .safetensors");
  app.add_option("--eval-every", o.evalEvery, "evaluate after every so many steps too")
      ->needs("--eval-data")
      ->check(count(1));
  app.add_option("--steps", o.steps,
                 "train until so many steps are done; else one pass over the data")
      ->check(count(0));
  app.add_option("--nproc", o.nproc, "local ranks")->check(count(1))->capture_default_str();
  app.add_option("--threads", o.threads,
                 "threads of a rank, at most the plan's target.threads, which is the default")
      ->check(count(1));
  app.add_option("--timeout", o.timeout, "seconds after which a silent peer counts as lost")
      ->check(seconds())
      ->capture_default_str();
  app.add_option(
         "--nan", o.nan,
         "when a loss or gradient is not finite: end with an error, leave the update out, or go on")
      ->transform(choice<NanPolicy>(
          {{"stop", NanPolicy::Stop}, {"skip", NanPolicy::Skip}, {"ignore", NanPolicy::Ignore}}))
      ->option_text("stop|skip|ignore");
  app.add_option("--metrics", o.metrics, "write one JSON object a step here");
  app.add_option("--save", o.save,
                 "write checkpoints DIR/step-N and the link DIR/model.safetensors");
  app.add_option("--save-every", o.saveEvery, "save after every so many steps; else at the end")
      ->needs("--save")
      ->check(count(1));
  app.add_option("--resume", o.resume, "go on from the newest checkpoint in this folder")
      ->excludes("--weights");
  app.add_option("--dump-grads", o.dumpGrads,
                 "write the gradients of the run's first step here (safetensors)");
  app.add_option("--trace", o.trace,
                 "write a timeline of all ranks for chrome://tracing or Perfetto here");
  app.add_option("--memory-report", o.memoryReport,
                 "write predicted and measured memory here (JSON)");
}

/// Set by the signal handler; the only thing it may touch.
std::atomic<bool> interruptRequested{false};

void onInterrupt(int) {
  if (interruptRequested.exchange(true))
    std::_Exit(130);
  static constexpr char note[] =
      "\nregimen-run: ending after this step; a second Ctrl-C ends at once, without saving\n";
  [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, note, sizeof(note) - 1);
}

void installHandlers() {
  struct sigaction action{};
  action.sa_handler = &onInterrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

void refuseWhatIsMissing(const Options &o, const plan::fb::PlanT &plan, int worldSize) {
  uint32_t ranks = plan::ranksOf(plan);
  if (ranks != static_cast<uint32_t>(worldSize))
    throw Error(fmt::format("the plan's mesh has {0} ranks, this launch has {1}; run it with "
                            "--nproc {0}, or compile with --set mesh.dp={1}",
                            ranks, worldSize));
  if (o.evalData)
    evaluationProgram(plan);
  if (plan.target->device != "cpu")
    throw Error("the plan is for device '" + plan.target->device +
                "', this build runs plans for cpu only");
  if (o.threads.value_or(1) > std::max(1u, plan.target->threads))
    throw Error(fmt::format(
        "--threads {} is above the plan's target.threads={}, for which its memory was planned; "
        "compile with --set target.threads={}",
        *o.threads, plan.target->threads, *o.threads));
}

std::unique_ptr<Communicator> connect(const Options &o, const plan::fb::PlanT &plan,
                                      const World &world) {
  if (world.size == 1)
    return nullptr;
  CommunicatorOptions options;
  options.heartbeat.patience =
      std::chrono::milliseconds(static_cast<int64_t>(std::ceil(o.timeout * 1000)));
  options.collectives.algorithm = plan.ring ? Algorithm::Ring : Algorithm::Ordered;
  return std::make_unique<Communicator>(world, options);
}

/// A warning. What is printed never ends a run: fmt::print would throw where nobody can read it.
template <typename... Arguments>
void say(fmt::format_string<Arguments...> text, Arguments &&...arguments) {
  tools::printError("regimen-run: warning",
                    fmt::format(text, std::forward<Arguments>(arguments)...).c_str());
}

/// Tries every output but --metrics and --trace, which are opened now, so that a wrong path costs
/// nothing.
void checkOutputs(const Options &o) {
  tools::refuseOverwriting(std::array<tools::NamedFile, 5>{{{"PLAN", o.plan},
                                                            {"--data", o.data},
                                                            {"--tokens", o.tokens},
                                                            {"--eval-data", o.evalData},
                                                            {"--weights", o.weights}}},
                           std::array<tools::NamedFile, 4>{{{"--metrics", o.metrics},
                                                            {"--dump-grads", o.dumpGrads},
                                                            {"--trace", o.trace},
                                                            {"--memory-report", o.memoryReport}}});
  if (o.save)
    prepareSaving(*o.save);
  for (const auto &path : {o.dumpGrads, o.memoryReport})
    if (path)
      AtomicFile::check(*path);
}

/// What to evaluate on; null if nothing.
std::unique_ptr<DataSource> openEvaluationData(const Options &o, const plan::fb::PlanT &plan) {
  if (!o.evalData)
    return nullptr;
  std::vector<InputSpec> inputs = inputSpecs(plan, *plan.programs[evaluationProgram(plan)]);
  return o.tokens && !o.evalData->ends_with(".safetensors")
             ? openTokenData(*o.evalData, inputs, o.labels, o.tokenBits)
             : openSafetensorsData(*o.evalData, inputs);
}

/// Trains as one of the ranks. Rank 0 shows and writes what there is once.
int run(const Options &o, const plan::fb::PlanT &plan, const World &world) {
  const bool first = world.rank == 0;
  std::optional<MetricsWriter> metrics;
  if (o.metrics && first)
    metrics.emplace(*o.metrics);
  std::unique_ptr<ChromeTracer> tracer;
  if (o.trace)
    tracer = ChromeTracer::create(plan, first ? std::optional<std::filesystem::path>(*o.trace)
                                              : std::nullopt);

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
  std::unique_ptr<DataSource> evaluationData = openEvaluationData(o, plan);

  std::unique_ptr<Communicator> ranks = connect(o, plan, world);
  Executor executor(plan, *device, ranks.get());
  TrainingState state;
  if (o.resume) {
    state = loadCheckpoint(*o.resume, executor);
    if (o.shuffle != state.shuffle && first)
      say("the checkpoint was trained {} --shuffle, this run goes on {}",
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
    if (progress)
      progress->show(step);
  };
  std::optional<Evaluator> evaluator;
  if (evaluationData)
    options.evaluator = &evaluator.emplace(executor, *evaluationData);
  options.evaluateEvery = o.evalEvery;
  options.onEvaluation = [&](const EvaluationMetrics &evaluation) {
    if (metrics)
      metrics->write(evaluation);
    if (progress)
      progress->show(evaluation);
  };
  Trainer trainer(executor, *data, state, std::move(options));
  if (first)
    progress.emplace(state.step, trainer.lastStep(), trainer.samplesPerStep(),
                     trainer.tokensPerStep());
  executor.setTracer(tracer.get());
  trainer.setTracer(tracer.get());
  UnplannedMemory::resetPeak();
  if (metrics)
    metrics->begin();
  if (o.resume && state.step >= trainer.lastStep())
    say("the checkpoint is at step {}, so no step is left to train; --steps above it goes on",
        state.step);
  try {
    trainer.train();
  } catch (...) {
    if (progress)
      progress->finish();
    throw;
  }
  if (progress)
    progress->finish();
  if (tracer)
    tracer->write(ranks.get());
  if (o.memoryReport)
    if (std::string report = memoryReport(executor); first)
      writeReport(*o.memoryReport, report);
  // No rank leaves while others need it.
  if (ranks)
    ranks->host().scalars().barrier();
  if (!first)
    return 0;
  if (interruptRequested)
    std::puts(fmt::format("interrupted after step {}{}", trainer.state().step,
                          o.save ? "; saved in " + *o.save : "")
                  .c_str());
  else if (o.save)
    std::puts(fmt::format("saved step {} in {}", trainer.state().step, *o.save).c_str());
  return 0;
}

/// Runs one rank; what others throw becomes a message for the user.
int runRank(const Options &options, const plan::fb::PlanT &plan, const World &world) {
  // A peer that is gone is an error of the transport's, which names it, and no signal.
  if (world.size > 1)
    std::signal(SIGPIPE, SIG_IGN);
  try {
    return run(options, plan, world);
  } catch (const c10::Error &error) {
    throw Error(std::string("PyTorch failed: ") + error.what_without_backtrace());
  } catch (const std::bad_alloc &) {
    throw Error("out of memory; regimen-plan memory shows what the plan needs");
  }
}

/// A launcher's rank speaks for itself.
int runLaunchersRank(const Options &options, const plan::fb::PlanT &plan, const World &world) {
  try {
    if (world.rank == 0)
      checkOutputs(options);
    return runRank(options, plan, world);
  } catch (const std::exception &error) {
    std::string message = error.what(), place = world.prefix();
    tools::printError("regimen-run",
                      (message.starts_with(place) ? message : place + message).c_str());
  }
  return kFailure;
}

/// As a launcher's rank, as one of --nproc local ranks, or alone.
int launch(const Options &options) {
  std::optional<World> world =
      worldFromEnvironment([](const char *name) { return std::getenv(name); });
  if (world && options.nproc > 1)
    throw Error("--nproc starts local ranks, but a launcher has set RANK and WORLD_SIZE; leave "
                "one of the two out");
  const plan::fb::PlanT plan = plan::read(options.plan);
  refuseWhatIsMissing(options, plan, world ? world->size : static_cast<int>(options.nproc));
  if (world)
    return runLaunchersRank(options, plan, *world);
  checkOutputs(options);
  if (options.nproc == 1)
    return runRank(options, plan, World());
  LaunchOptions launch;
  launch.say = [](const std::string &message) {
    tools::printError("regimen-run", message.c_str());
  };
  return launchLocally(
      static_cast<int>(options.nproc),
      [&](const World &local) { return runRank(options, plan, local); }, launch);
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
    return launch(options);
  } catch (const std::exception &error) {
    tools::printError("regimen-run", error.what());
  }
  return kFailure;
}

} // namespace

int main(int argc, char **argv) {
  tools::prepareProcess();
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
