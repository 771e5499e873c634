//===- Schedule.cpp -------------------------------------------------------===//
#include "runtime/Schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace regimen::runtime {

double scheduledRate(const plan::fb::TrainingT &training, double lr, uint64_t step) {
  const uint64_t warmup = training.warmup_steps, total = training.total_steps;
  if (step < warmup)
    return lr * static_cast<double>(step + 1) / static_cast<double>(warmup);
  if (training.schedule == plan::fb::Schedule::Constant)
    return lr;
  double t =
      total > warmup
          ? std::min(1.0, static_cast<double>(step - warmup) / static_cast<double>(total - warmup))
          : 1.0;
  double share = training.schedule == plan::fb::Schedule::Linear
                     ? 1 - t
                     : (1 + std::cos(std::numbers::pi * t)) / 2;
  return training.min_lr + (lr - training.min_lr) * share;
}

void fillHypers(const plan::fb::TrainingT &training, uint64_t step, uint64_t update,
                Hypers &hypers) {
  using plan::fb::Hyper;
  hypers.resize(training.groups.size());
  for (size_t i = 0; i < hypers.size(); ++i) {
    const plan::fb::GroupT &group = *training.groups[i];
    auto set = [&](Hyper hyper, double value) { hypers[i][static_cast<size_t>(hyper)] = value; };
    set(Hyper::Lr, scheduledRate(training, group.lr, step));
    set(Hyper::WeightDecay, group.weight_decay);
    set(Hyper::Beta1, group.beta1);
    set(Hyper::Beta2, group.beta2);
    set(Hyper::Eps, group.eps);
    set(Hyper::Momentum, group.momentum);
    set(Hyper::Dampening, group.dampening);
    set(Hyper::Step, static_cast<double>(update));
  }
}

} // namespace regimen::runtime
