#include "engine/base/suggest.hpp"

#include <doctest/doctest.h>

using gesso::base::did_you_mean;
using gesso::base::edit_distance;
using gesso::base::nearest;

TEST_CASE("the distance counts insertions, deletions, replacements and swaps") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("steps", "steps") == 0);
  CHECK(edit_distance("step", "steps") == 1);
  CHECK(edit_distance("stepss", "steps") == 1);
  CHECK(edit_distance("stops", "steps") == 1);
  CHECK(edit_distance("setps", "steps") == 1);
  CHECK(edit_distance("STEPS", "steps") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("the nearest name wins") {
  const std::string_view names[] = {"guidance", "guidance_scale", "seed", "steps"};
  CHECK(nearest("guidence_scale", names) == "guidance_scale");
  CHECK(nearest("guidnce", names) == "guidance");
  CHECK(nearest("sed", names) == "seed");
}

TEST_CASE("a beginning or a last part is enough, something else is not") {
  const std::string_view names[] = {"org.gesso.z_image.denoiser", "max_length"};
  CHECK(nearest("denoiser", names) == "org.gesso.z_image.denoiser");
  CHECK(nearest("max", names) == "max_length");
  CHECK(nearest("prompt", names).empty());
  CHECK(nearest("x", names).empty());
}

TEST_CASE("the hint is ready to be put behind a message") {
  const std::vector<std::string> names = {"width", "height"};
  CHECK(did_you_mean("widht", names) == "; did you mean \"width\"?");
  CHECK(did_you_mean("prompt", names).empty());
  CHECK(did_you_mean("width", std::vector<std::string>()).empty());
}
