/* Even steps from noise to picture. */
#include "faulty.h"

static gesso_status_t plan(void* self, const gesso_call_t* call,
                           const gesso_schedule_request_t* request, gesso_eval_t* evals,
                           uint32_t capacity, uint32_t* count) {
  static _Atomic int plans = 0;
  (void)self;
  ++plans;
  if (faulty("scheduler.plans")) {
    return faulty_fail(call->error, GESSO_STATUS_NOT_SUPPORTED, "no plan today");
  }
  if (faulty("scheduler.no_steps") && request->n_steps == 0) {
    *count = 1;
    return GESSO_STATUS_OK;
  }
  if (faulty("crash") && !evals) __builtin_trap();
  if (faulty("hang") && !evals)
    while (faulty("hang")) continue;
  *count = faulty("scheduler.counts") && !evals ? 0 : request->n_steps;
  const double strength = faulty("scheduler.strength") ? 1 : request->strength;
  for (uint32_t i = 0; i < request->n_steps; ++i) {
    if (i >= capacity && !(faulty("scheduler.capacity") && evals && i == capacity)) break;
    gesso_eval_t eval;
    memset(&eval, 0, sizeof eval);
    eval.sigma = strength * (1.0 - (double)i / request->n_steps);
    eval.sigma_next = strength * (1.0 - (double)(i + 1) / request->n_steps);
    eval.timestep = 1000 * eval.sigma;
    eval.c_sample = 1;
    eval.n_history = 1;
    eval.c_history[0] = eval.sigma_next - eval.sigma;
    if (faulty("scheduler.straight")) eval.c_history[0] *= 0.5;
    if (faulty("scheduler.numbers")) eval.timestep = 1 / (eval.sigma - eval.sigma);
    if (faulty("scheduler.repeats")) eval.timestep += plans;
    if (faulty("scheduler.falls")) { /* the same way, in steps that go up for a while */
      const double up[] = {1, 0.5, 0.8, 0.6, 0.4, 0.3, 0.1, 0};
      eval.sigma = strength * up[i % 8];
      eval.sigma_next = i + 1 == request->n_steps ? 0 : strength * up[(i + 1) % 8];
      eval.c_history[0] = eval.sigma_next - eval.sigma;
    }
    if (faulty("scheduler.joins") && i + 1 == request->n_steps) eval.sigma_next = 0.01;
    evals[i] = eval;
  }
  if (faulty("writes_beyond") && evals)
    evals[capacity].timestep = 0; /* harmless under GESSO_CHECK */
  return GESSO_STATUS_OK;
}

static gesso_status_t train_point(void* self, const gesso_call_t* call,
                                  const gesso_schedule_request_t* request, double u,
                                  double* timestep, double* sigma, double* weight) {
  (void)self, (void)call, (void)request;
  *timestep = 1000 * (1 - u);
  *sigma = faulty("scheduler.trains") ? 2 : 1 - u;
  *weight = 1;
  return GESSO_STATUS_OK;
}

static const void* table(const char* id) {
  static const gesso_scheduler_t scheduler = {sizeof scheduler, GESSO_PREDICTION_VELOCITY, plan,
                                              train_point};
  static const gesso_scheduler_t unknown = {sizeof unknown, 99, plan, train_point};
  (void)id;
  return faulty("scheduler.table") ? &unknown : &scheduler;
}

const faulty_kind_t faulty_scheduler = {
    "org.gesso.faulty.scheduler", "scheduler", {GESSO_SCHEDULER_ID, NULL}, table, NULL};
