/* "gesso.weights/1": a component's weights, by name, around each use. Where they lie, in which
 * dtype, and when they are moved is the memory policy's business, not the component's. */
#ifndef GESSO_SERVICE_WEIGHTS_H
#define GESSO_SERVICE_WEIGHTS_H

#include "../host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_WEIGHTS_ID "gesso.weights/1"

typedef struct gesso_weights gesso_weights_t; /* opaque, one per instance */

enum {
  GESSO_WEIGHT_OPTIONAL = 1u,        /* absent: the view has n_parts == 0 */
  GESSO_WEIGHT_TAKES_DELTAS = 2u,    /* "I add low-rank updates at run time" */
  GESSO_WEIGHT_DELTAS_PER_ITEM = 4u, /* ... and can restrict them to items of the batch */
  GESSO_WEIGHT_BUFFER = 8u,          /* not trained, not a target of adapters */
  GESSO_WEIGHT_TRAINABLE = 16u       /* in views and deltas: a gradient is wanted */
};

/* Encodings of a weight [out, in] in a view, and their parts:
 * "plain"     the numbers, in the type that was asked for
 * "int8_row"  int8 [out, in]; float32 [out]: element (r, c) is data[r, c] * scale[r]. Shown only to
 *             who asks for it, and only where the user wants products of int8 numbers; it may be
 *             "plain" the next time, so that both must be understood. */
#define GESSO_ENCODING_PLAIN "plain"
#define GESSO_ENCODING_INT8_ROW "int8_row"

typedef struct gesso_weight_request {
  uint32_t struct_size, flags;
  const char* name;     /* canonical name; "layers.0.attention.to_q.weight" */
  const int64_t* shape; /* what it must be; -1: any extent */
  int32_t ndim;
  DLDataType dtype;             /* what it must be; bits 0: the policy's compute type */
  const char* const* encodings; /* see above; what it can compute from beside "plain", ended by
                                   NULL; NULL: "plain" only */
} gesso_weight_request_t;

/* An update that never touches the base. Sealed. */
typedef struct gesso_delta {
  const char* form; /* "low_rank": y += scale * (x A^T) B^T, parts A [r,in], B [out,r] */
  uint32_t id, n_parts;
  double scale;   /* strength * alpha / rank */
  uint64_t items; /* bit mask of the items of the batch that it applies to */
  gesso_tensor_t* const* parts;
  uint32_t flags, reserved;
} gesso_delta_t;

/* Sealed. */
typedef struct gesso_weight_view {
  const char* encoding; /* "plain", or one that was asked for */
  uint32_t n_parts, flags;
  gesso_tensor_t* const* parts; /* data, then scales ... as the encoding says */
  const gesso_delta_t* deltas;
  uint64_t n_deltas;
} gesso_weight_view_t;

typedef struct gesso_unit_view {
  uint32_t struct_size, count;
  uint64_t generation;       /* unchanged: what was wrapped or packed last time still holds */
  uint64_t delta_generation; /* the same for the updates */
  const gesso_weight_view_t* weights; /* in the order of the requests */
} gesso_unit_view_t;

/* A unit is what is used together: a block, an embedder. */
typedef struct gesso_weights_service {
  uint32_t struct_size, reserved;
  /* [instance & in call] Shape and dtype of a weight, no data; the shape lives as long as the
   * instance. NOT_FOUND when the file has no such weight. */
  gesso_status_t(GESSO_CALL* describe)(gesso_weights_t* weights, const char* name, DLTensor* meta,
                                       gesso_error_t* error);
  /* [instance & in prepare] Requests are copied. */
  gesso_status_t(GESSO_CALL* declare)(gesso_weights_t* weights, const char* unit,
                                      const gesso_weight_request_t* const* requests, uint32_t count,
                                      uint32_t* unit_id, gesso_error_t* error);
  /* [instance & in call; until leave] The unit stays where the view says. May nest. */
  gesso_status_t(GESSO_CALL* enter)(gesso_weights_t* weights, const gesso_call_t* call,
                                    uint32_t unit_id, gesso_unit_view_t* view);
  void(GESSO_CALL* leave)(gesso_weights_t* weights, uint32_t unit_id); /* [instance & in call] */
  /* [instance & in call] A hint: this unit is next. */
  void(GESSO_CALL* prefetch)(gesso_weights_t* weights, uint32_t unit_id);
} gesso_weights_service_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_SERVICE_WEIGHTS_H */
