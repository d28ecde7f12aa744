/* Kind "controller": control pictures become residuals at points of a denoiser (ControlNet).
 *
 * A module with the operation "context", which may use siblings (the codec):
 *
 *   input   image          OPTIONAL  3 H W  f32  in [-1, 1]: the control map
 *           inpaint_image  OPTIONAL  3 H W  f32  in [-1, 1]
 *           inpaint_mask   OPTIONAL  3 H W  f32  in [0, 1], 1 = paint anew
 *   values  height, width  INT  pixels of the picture to make; given images have this size
 *   output  context        C h w
 *
 * and the interface "gesso.controller/1", which makes injectors of contexts. */
#ifndef GESSO_KIND_CONTROLLER_H
#define GESSO_KIND_CONTROLLER_H

#include "../ext/injection.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_CONTROLLER_ID "gesso.controller/1"
#define GESSO_OP_CONTEXT "context"
#define GESSO_PORT_IMAGE "image"
#define GESSO_PORT_INPAINT_IMAGE "inpaint_image"
#define GESSO_PORT_INPAINT_MASK "inpaint_mask"
#define GESSO_PORT_CONTEXT "context"

typedef struct gesso_controller {
  uint32_t struct_size, reserved;
  /* [instance & ready; until close] One context for all items of the batch. Residuals are
   * multiplied by `scale`. `points` are the denoiser's; INCOMPATIBLE names the point that is
   * missing, or the width that differs. */
  gesso_status_t(GESSO_CALL* open)(void* self, const gesso_call_t* call, gesso_tensor_t* context,
                                   double scale, const gesso_point_t* const* points,
                                   uint64_t n_points, const gesso_injector_t** out);
  void(GESSO_CALL* close)(void* self, const gesso_injector_t* injector); /* [instance & ready] */
} gesso_controller_t;

#ifdef __cplusplus
}
#endif
#endif /* GESSO_KIND_CONTROLLER_H */
