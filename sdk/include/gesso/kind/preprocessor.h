/* Kind "preprocessor", a module with the operation "process": a photograph becomes a control map.
 *
 *   input   pixels  PER_ITEM  3 H W  f32  in [-1, 1]
 *   output  pixels  PER_ITEM  3 H W  f32  in [-1, 1], of the same size
 *
 * Users name it by the last part of its id: "org.gesso.opencv.canny" is "canny". */
#ifndef GESSO_KIND_PREPROCESSOR_H
#define GESSO_KIND_PREPROCESSOR_H
#define GESSO_OP_PROCESS "process"
#endif /* GESSO_KIND_PREPROCESSOR_H */
