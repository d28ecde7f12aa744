/* Its context is the control map, or black; it acts at "layers.0", and adds nothing. */
#include <gesso/kind/controller.h>

#include "module.h"

static gesso_status_t context(const faulty_part_t* run) {
  const DLTensor* image = faulty_input(run, 0);
  const gesso_value_t *height = faulty_value(run->run, "height"),
                      *width = faulty_value(run->run, "width");
  if (!height || !width) return faulty_refuse(run->call, "height and width are missing");
  const int64_t shape[] = {3, height->u.i, width->u.i};
  gesso_tensor_t* out = faulty_make(kDLFloat, 3, image ? image->shape : shape);
  for (int64_t i = 0; image && i < faulty_count(image); ++i)
    faulty_floats(out)[i] = (float)faulty_get(image, i);
  return faulty_put(run, 0, -1, out);
}

typedef struct opened {
  gesso_injector_t injector;
  uint32_t point;
} opened_t;

static gesso_status_t at(const gesso_injector_t* injector, const gesso_call_t* call, uint32_t point,
                         const gesso_bundle_t* taps, const gesso_sink_t* residuals) {
  (void)injector, (void)call, (void)point, (void)taps, (void)residuals;
  return GESSO_STATUS_OK;
}

static gesso_status_t open(void* self, const gesso_call_t* call, gesso_tensor_t* map, double scale,
                           const gesso_point_t* const* points, uint64_t n_points,
                           const gesso_injector_t** out) {
  (void)self, (void)map, (void)scale;
  uint32_t place = 0;
  while (place < n_points && strcmp(points[place]->name, "layers.0") != 0) ++place;
  if (place == n_points && !faulty("controller.missing_points"))
    return faulty_fail(call->error, GESSO_STATUS_INCOMPATIBLE, "the denoiser has no \"layers.0\"");
  opened_t* opened = calloc(1, sizeof *opened);
  opened->point = place;
  opened->injector.struct_size = sizeof opened->injector;
  opened->injector.n_points = 1;
  opened->injector.points = &opened->point;
  opened->injector.at = faulty("controller.opens") ? NULL : at;
  *out = &opened->injector;
  return GESSO_STATUS_OK;
}

static void close(void* self, const gesso_injector_t* injector) {
  (void)self;
  if (!faulty("controller.closes")) free((void*)injector);
}

static const void* table(const char* id) {
  static const gesso_port_t image =
      FAULTY_PORT(GESSO_PORT_IMAGE, GESSO_PORT_OPTIONAL, "3 H W", "f32");
  static const gesso_port_t made = FAULTY_PORT(GESSO_PORT_CONTEXT, 0, "C h w", "f32");
  static const gesso_port_t *const inputs[] = {&image}, *const outputs[] = {&made};
  static const faulty_op_t op = FAULTY_OP(GESSO_OP_CONTEXT, 1, inputs, 1, outputs, 1, context);
  static const gesso_op_t* const ops[] = {&op.description};
  static const gesso_module_t module = FAULTY_MODULE(1, ops);
  static const gesso_controller_t controller = {sizeof controller, 0, open, close};
  return strcmp(id, GESSO_CONTROLLER_ID) == 0 ? (const void*)&controller : (const void*)&module;
}

const faulty_kind_t faulty_controller = {"org.gesso.faulty.controller",
                                         "controller",
                                         {GESSO_MODULE_ID, GESSO_CONTROLLER_ID, NULL},
                                         table,
                                         NULL};
