//===- EmitPlan.cpp - The plan file's contents from exec IR ---------------===//
#include "passes/emit/EmitPlan.h"

#include "dialects/dist/DistDialect.h"
#include "formats/Error.h"
#include "passes/autodiff/ParameterGroups.h"
#include "passes/emit/ProgramEmitter.h"

#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;
namespace fb = regimen::plan::fb;

/// Violations that an error quotes.
static constexpr size_t kQuoted = 10;

/// The bytes of a constant: row-major, little-endian, a byte a bool.
static std::vector<uint8_t> bytesOf(Operation *op, ElementsAttr value) {
  ShapedType type = value.getShapedType();
  size_t width = exec::elementBytes(type.getElementType());
  size_t count = type.getNumElements();
  std::vector<uint8_t> bytes;
  bytes.reserve(count * width);
  if (auto dense = dyn_cast<DenseElementsAttr>(value)) {
    if (type.getElementType().isInteger(1)) {
      for (bool element : dense.getValues<bool>())
        bytes.push_back(element);
      return bytes;
    }
    ArrayRef<char> raw = dense.getRawData();
    for (size_t i = 0; i < (dense.isSplat() ? count : 1); ++i)
      bytes.insert(bytes.end(), raw.begin(), raw.end());
  } else if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    ArrayRef<char> raw = resource.getData();
    bytes.assign(raw.begin(), raw.end());
  }
  if (bytes.size() != count * width)
    failEmit(op, "a constant whose bytes do not fit its type");
  return bytes;
}

namespace {

class PlanEmitter {
public:
  PlanEmitter(ModuleOp module, const CompileConfig &config, const ArchiveFacts &archive)
      : module(module), config(config), archive(archive), tables(plan) {}

  fb::PlanT run() {
    emitHeader();
    emitTraining();
    emitArenas();
    for (auto bucket : module.getOps<dist::BucketOp>())
      tables.addBucket(bucket);
    emitStates();
    emitConstants();
    for (auto program : module.getOps<exec::ProgramOp>())
      plan.programs.push_back(emitProgram(program, tables));
    emitBuckets();
    return std::move(plan);
  }

private:
  void emitHeader() {
    plan.version = plan::kVersion;
    plan.compiler = "regimen " REGIMEN_VERSION;
    plan.model = std::filesystem::path(archive.file).stem().string();
    plan.config = config.canonical();
    plan.target = std::make_unique<fb::TargetT>();
    plan.target->device = config.target.device;
    plan.target->arch = config.target.arch;
    plan.target->threads = config.target.threads;
    plan.archive = std::make_unique<fb::ArchiveT>();
    plan.archive->file = archive.file;
    plan.archive->relative_path = archive.relativePath;
    plan.archive->bytes = archive.bytes;
    plan.archive->directory_sha256 = archive.digest;
    plan.archive->has_weights = archive.hasWeights;
    for (auto mesh : module.getOps<dist::MeshOp>())
      for (auto [name, size] :
           llvm::zip_equal(mesh.getAxes().getAsValueRange<StringAttr>(), mesh.getSizes())) {
        auto axis = std::make_unique<fb::AxisT>();
        axis->name = name.str();
        axis->size = static_cast<uint32_t>(size);
        plan.mesh.push_back(std::move(axis));
      }
  }

  void emitTraining() {
    auto training = std::make_unique<fb::TrainingT>();
    const OptimizerConfig &optimizer = config.optimizer;
    training->optimizer = optimizer.type;
    ParameterGroups parameterGroups(optimizer);
    std::vector<ParameterGroups::Group> groups = parameterGroups.groups();
    if (config.isSuspended()) {
      // Every parameter is a group of its own.
      groups.clear();
      for (auto parameter : module.getOps<train::ParameterOp>())
        groups.push_back(
            parameterGroups.groups()[parameterGroups.groupOf(parameter.getSymName().str())]);
    }
    for (const ParameterGroups::Group &group : groups) {
      auto entry = std::make_unique<fb::GroupT>();
      entry->lr = group.lr;
      entry->weight_decay = group.weightDecay;
      entry->beta1 = optimizer.beta1;
      entry->beta2 = optimizer.beta2;
      entry->eps = optimizer.eps;
      entry->momentum = optimizer.momentum;
      training->groups.push_back(std::move(entry));
    }
    training->schedule = config.schedule.type == "linear"   ? fb::Schedule::Linear
                         : config.schedule.type == "cosine" ? fb::Schedule::Cosine
                                                            : fb::Schedule::Constant;
    training->warmup_steps = config.schedule.warmupSteps;
    training->total_steps = config.schedule.totalSteps;
    training->min_lr = config.schedule.minLr;
    training->accumulate = config.accumulate;
    training->clip_grad_norm = config.clipGradNorm.value_or(-1.0);
    plan.training = std::move(training);
  }

  void emitArenas() {
    for (auto arena : module.getOps<exec::ArenaOp>())
      tables.addArena(arena);
    for (auto buffer : module.getOps<exec::StaticOp>())
      tables.addStatic(buffer);
    for (auto buffer : module.getOps<exec::FrameOp>())
      tables.addFrame(buffer);
    SymbolTable symbols(module);
    int32_t index = 0;
    for (auto program : module.getOps<exec::ProgramOp>()) {
      auto last = static_cast<uint32_t>(std::max<size_t>(program.getInstructions().size(), 1) - 1);
      for (auto [buffer, lifetime] : computeLifetimes(program)) {
        // What the caller owns is there from the start to the end.
        auto arena = symbols.lookup<exec::ArenaOp>(buffer.getArena().value_or(""));
        if (arena && arena.getMemoryClass() == exec::MemoryClass::Caller)
          lifetime = {0, last};
        tables.addBuffer(buffer, index, lifetime);
      }
      ++index;
    }
  }

  /// Tensor of a storage symbol, or -1 if it has no place: nothing reads or writes it.
  int32_t tensorOf(StringRef storage) const {
    auto it = places.find(storage);
    return it == places.end() ? -1 : static_cast<int32_t>(it->second);
  }

  /// What a rank has of a gradient or state: its segment, or the whole.
  int32_t ownTensor(StringRef storage) const {
    int32_t segment = tensorOf(dist::segmentName(storage));
    return segment >= 0 ? segment : tensorOf(storage);
  }

  /// What the closed form of traffic asks of a bucket.
  void emitBuckets() {
    plan.ring = config.ringReduction;
    llvm::StringMap<fb::BucketT *> byParameter;
    llvm::StringMap<uint32_t> indices;
    for (auto [index, parameter] : llvm::enumerate(module.getOps<train::ParameterOp>()))
      indices[parameter.getSymName()] = index;
    for (auto [index, bucket] : llvm::enumerate(module.getOps<dist::BucketOp>()))
      for (auto name : bucket.getParameters().getAsRange<FlatSymbolRefAttr>()) {
        byParameter[name.getValue()] = plan.buckets[index].get();
        plan.buckets[index]->parameters.push_back(indices.at(name.getValue()));
      }
    for (auto gradient : module.getOps<train::GradientOp>())
      byParameter.at(gradient.getParameter())->gradients = true;
    std::vector<size_t> microStep = plan::stepOf(plan).microStep;
    for (auto [index, program] : llvm::enumerate(module.getOps<exec::ProgramOp>()))
      if (llvm::is_contained(microStep, index))
        for (auto collective : program.getBody().getOps<exec::CollectiveOp>())
          if (collective.getCollective() == dist::Collective::AllGather && collective.getBucket())
            ++plan.buckets[tables.bucketIndex(*collective.getBucket())]->gathers;
  }

  uint32_t requireTensor(Operation *op, StringRef storage) const {
    int32_t tensor = tensorOf(storage);
    if (tensor < 0)
      failEmit(op, "'" + storage + "' has no place");
    return static_cast<uint32_t>(tensor);
  }

  void emitStates() {
    for (auto bind : module.getOps<exec::BindOp>())
      places[bind.getStorage()] =
          tables.tensorOf(tables.bufferOf(bind.getBuffer()), bind.getOffset(), bind.getTensorType(),
                          bind.getSegmentAttr());
    llvm::StringMap<fb::ParameterT *> parameters;
    for (auto parameter : module.getOps<train::ParameterOp>()) {
      auto entry = std::make_unique<fb::ParameterT>();
      entry->name = parameter.getSymName().str();
      for (StringRef alias : parameter.getAliases().getAsValueRange<StringAttr>())
        entry->aliases.push_back(alias.str());
      int32_t whole = tensorOf(parameter.getSymName());
      int32_t segment = tensorOf(dist::segmentName(parameter.getSymName()));
      entry->tensor = whole < 0 && segment >= 0 ? static_cast<uint32_t>(segment)
                                                : requireTensor(parameter, parameter.getSymName());
      if (whole < 0)
        entry->sizes = std::vector<int64_t>(parameter.getTensorType().getShape());
      entry->trainable = parameter.getTrainable();
      entry->group = static_cast<uint32_t>(parameter.getGroup());
      parameters[parameter.getSymName()] = entry.get();
      plan.parameters.push_back(std::move(entry));
    }
    for (auto gradient : module.getOps<train::GradientOp>())
      parameters.at(gradient.getParameter())->gradient = ownTensor(gradient.getSymName());
    for (auto state : module.getOps<train::StateOp>()) {
      auto entry = std::make_unique<fb::StateT>();
      entry->slot = state.getSlot().str();
      entry->tensor = static_cast<uint32_t>(ownTensor(state.getSymName()));
      parameters.at(state.getParameter())->states.push_back(std::move(entry));
    }
    for (auto buffer : module.getOps<train::BufferOp>())
      emitModuleBuffer(buffer);
  }

  void emitModuleBuffer(train::BufferOp buffer) {
    int32_t tensor = tensorOf(buffer.getSymName());
    if (tensor < 0) {
      // A buffer that the graph does not use and that no state dict needs.
      if (!buffer.getPersistent())
        return;
      failEmit(buffer, "persistent buffer '" + buffer.getSymName() + "' has no place");
    }
    auto entry = std::make_unique<fb::ModuleBufferT>();
    entry->name = buffer.getSymName().str();
    entry->persistent = buffer.getPersistent();
    entry->tensor = static_cast<uint32_t>(tensor);
    plan.module_buffers.push_back(std::move(entry));
    if (std::optional<ElementsAttr> value = buffer.getValue())
      addConstant(static_cast<uint32_t>(tensor), bytesOf(buffer, *value));
  }

  void emitConstants() {
    for (auto buffer : module.getOps<exec::StaticOp>())
      if (std::optional<ElementsAttr> value = buffer.getValue()) {
        ShapedType type = value->getShapedType();
        auto window = MemRefType::get(type.getShape(), type.getElementType());
        addConstant(tables.tensorOf(tables.bufferOf(buffer.getSymName()), 0, window),
                    bytesOf(buffer, *value));
      }
  }

  void addConstant(uint32_t tensor, std::vector<uint8_t> data) {
    auto entry = std::make_unique<fb::ConstantT>();
    entry->tensor = tensor;
    entry->data = std::move(data);
    plan.constants.push_back(std::move(entry));
  }

  ModuleOp module;
  const CompileConfig &config;
  const ArchiveFacts &archive;
  fb::PlanT plan;
  PlanTables tables;
  llvm::StringMap<uint32_t> places; // tensors by storage symbol
};

} // namespace

/// The file must say what the plan says, and be safe to run; anything else is a defect of the
/// compiler.
static void checkPlan(const fb::PlanT &plan) {
  std::vector<std::byte> bytes = plan::serialize(plan);
  if (plan::serialize(plan::parse(bytes, plan.model + ".plan")) != bytes)
    throw Error("internal compiler error: the plan does not read back equal; please report it with "
                "the model");
  std::vector<std::string> violations = plan::validate(plan);
  if (violations.empty())
    return;
  std::string message = "internal compiler error: the plan is not valid; please report it with the "
                        "model:";
  for (size_t i = 0; i < std::min(violations.size(), kQuoted); ++i)
    message += "\n  " + violations[i];
  if (violations.size() > kQuoted)
    message += "\n  and " + std::to_string(violations.size() - kQuoted) + " more";
  throw Error(message);
}

fb::PlanT regimen::passes::emitPlan(ModuleOp module, const CompileConfig &config,
                                    const ArchiveFacts &archive) {
  fb::PlanT plan = PlanEmitter(module, config, archive).run();
  checkPlan(plan);
  return plan;
}

fb::PlanT regimen::passes::emitPlan(ModuleOp module, const CompileConfig &config,
                                    const pt2::Archive &archive,
                                    const pt2::ExportedProgram &program,
                                    const EmitOptions &options) {
  namespace fs = std::filesystem;
  ArchiveFacts facts;
  facts.file = options.modelPath.filename().string();
  fs::path relative =
      fs::relative(fs::absolute(options.modelPath), fs::absolute(options.planPath).parent_path());
  facts.relativePath = relative.generic_string();
  facts.bytes = archive.fileBytes();
  facts.digest = archive.directoryDigest();
  facts.hasWeights = program.hasWeights();
  return emitPlan(module, config, facts);
}
