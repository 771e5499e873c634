//===- Storage.cpp - The parameters and buffers of an export --------------===//
#include "passes/import/Storage.h"

#include "dialects/train/TrainDialect.h"
#include "formats/Error.h"
#include "passes/import/Literals.h"

#include "llvm/ADT/STLExtras.h"
#include <nlohmann/json.hpp>

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;
using Kind = pt2::InputSpec::Kind;

Storage::Storage(const pt2::Archive &archive, const pt2::ExportedProgram &program,
                 MLIRContext &context)
    : archive(archive), program(program), context(context) {
  for (const pt2::InputSpec &spec : program.inputSpecs)
    if (spec.kind == Kind::Parameter && weight(spec.target).usePickle)
      throw Error("'" + archive.name() + "': parameter '" + spec.target +
                  "' is a tensor subclass; export the model with plain tensors");
  findTies();
  checkOverlaps();
}

void Storage::findTies() {
  std::vector<std::vector<std::string>> groups = program.ties;
  // Without weights only the mark says what is tied.
  if (program.marks)
    if (auto ties = program.marks->find("ties"); ties != program.marks->end() && ties->is_object())
      for (const auto &[first, others] : ties->items()) {
        std::vector<std::string> group{first};
        for (const auto &other : others)
          if (other.is_string())
            group.push_back(other.get<std::string>());
        groups.push_back(std::move(group));
      }
  std::map<std::string, size_t> position;
  for (const pt2::InputSpec &spec : program.inputSpecs)
    if (spec.kind == Kind::Parameter)
      position.emplace(spec.target, position.size());
  for (std::vector<std::string> &group : groups) {
    std::erase_if(group, [&](const std::string &fqn) { return !position.contains(fqn); });
    llvm::sort(group, [&](const std::string &a, const std::string &b) {
      return position.at(a) < position.at(b);
    });
    for (const std::string &fqn : group)
      if (fqn != group.front() && firstNames.emplace(fqn, group.front()).second)
        aliases[group.front()].push_back(fqn);
  }
}

void Storage::checkOverlaps() const {
  struct Window {
    int64_t begin, end;
    const pt2::Weight *weight;
  };
  std::map<std::string, std::vector<Window>> records;
  for (const pt2::InputSpec &spec : program.inputSpecs) {
    if (spec.kind != Kind::Parameter || firstNames.contains(spec.target))
      continue;
    const pt2::Weight &entry = weight(spec.target);
    if (entry.empty || llvm::is_contained(entry.sizes, 0))
      continue;
    int64_t last = entry.storageOffset;
    for (auto [size, stride] : llvm::zip_equal(entry.sizes, entry.strides))
      last += (size - 1) * stride;
    records[entry.record].push_back({entry.storageOffset, last + 1, &entry});
  }
  for (auto &[record, windows] : records) {
    llvm::sort(windows, [](const Window &a, const Window &b) { return a.begin < b.begin; });
    for (size_t i = 1; i < windows.size(); ++i)
      if (windows[i].begin < windows[i - 1].end)
        throw Error("'" + archive.name() + "': parameters '" + windows[i - 1].weight->fqn +
                    "' and '" + windows[i].weight->fqn +
                    "' share memory but are not the same tensor; training one would change the "
                    "other. Make one a function of the other in the model's forward");
  }
}

const pt2::Weight &Storage::weight(const std::string &fqn) const {
  const pt2::Weight *entry = program.findWeight(fqn);
  if (!entry)
    throw Error("'" + archive.name() + "': the graph names '" + fqn + "', which has no entry");
  return *entry;
}

const std::string &Storage::symbol(const std::string &fqn) const {
  auto it = firstNames.find(fqn);
  return it == firstNames.end() ? fqn : it->second;
}

RankedTensorType Storage::type(const std::string &fqn) const {
  const pt2::Weight &entry = weight(fqn);
  return tensorType(entry.dtype, entry.sizes, context);
}

bool Storage::isBuffer(const std::string &fqn) const {
  return llvm::any_of(program.inputSpecs, [&](const pt2::InputSpec &spec) {
    return spec.kind == Kind::Buffer && spec.target == fqn;
  });
}

DenseElementsAttr Storage::constant(const std::string &fqn) const {
  return elements(archive, weight(fqn), context);
}

void Storage::declare(OpBuilder &builder) const {
  Location loc = builder.getUnknownLoc();
  for (const pt2::InputSpec &spec : program.inputSpecs) {
    if (spec.kind == Kind::Parameter) {
      if (firstNames.contains(spec.target))
        continue;
      SmallVector<StringRef> others;
      if (auto it = aliases.find(spec.target); it != aliases.end())
        others.append(it->second.begin(), it->second.end());
      train::ParameterOp::create(builder, loc, spec.target, type(spec.target),
                                 weight(spec.target).requiresGrad, 0,
                                 builder.getStrArrayAttr(others));
    } else if (spec.kind == Kind::Buffer) {
      ElementsAttr value;
      if (!spec.persistent)
        value = constant(spec.target);
      train::BufferOp::create(builder, loc, spec.target, type(spec.target), spec.persistent, value);
    } else if (spec.kind == Kind::TensorConstant && !constant(spec.target)) {
      train::BufferOp::create(builder, loc, spec.target, type(spec.target), false, ElementsAttr());
    }
  }
}
