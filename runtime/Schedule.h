//===- Schedule.h - Learning rates ----------------------------------------===//
#ifndef REGIMEN_RUNTIME_SCHEDULE_H
#define REGIMEN_RUNTIME_SCHEDULE_H

#include "runtime/executor/Scalars.h"

namespace regimen::runtime {

/// The learning rate of step `step` (from 0) of a schedule whose full rate is `lr`. Warm-up is
/// linear.
double scheduledRate(const plan::fb::TrainingT &training, double lr, uint64_t step);

/// Hyperparameters of every group at step `step`, for update number `update` (from 1).
void fillHypers(const plan::fb::TrainingT &training, uint64_t step, uint64_t update,
                Hypers &hypers);

} // namespace regimen::runtime

#endif // REGIMEN_RUNTIME_SCHEDULE_H
