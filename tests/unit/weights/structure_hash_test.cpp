#include "engine/weights/structure_hash.hpp"

#include "engine/weights/md5.hpp"
#include "weight_files.hpp"

using namespace gesso::weights;

TEST_CASE("MD5 answers the test suite of RFC 1321") {
  CHECK(md5_hex("") == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(md5_hex("abc") == "900150983cd24fb0d6963f7d28e17f72");
  CHECK(md5_hex("message digest") == "f96b697d7cb7938d525a2f31aaf161d0");
  CHECK(
      md5_hex("12345678901234567890123456789012345678901234567890123456789012345678901234567890") ==
      "57edf4a22be3c955ac49da2e2107b67a");
  CHECK(md5_hex(std::string(55, 'a')) == "ef1772b6dff9a122358552954ad0df65");
  CHECK(md5_hex(std::string(56, 'a')) == "3b0c8ac703f828b04c6c197006d17218");
  CHECK(md5_hex(std::string(64, 'a')) == "014842d480b571495a4a0363793f7367");
}

TEST_CASE("the structure hash joins names and shapes, sorted") {
  const std::vector<NamedShape> tensors = {{"b", {2, 3}}, {"a", {}}};
  CHECK(structure_hash(tensors) == md5_hex("a,a:,b,b:2_3"));
  CHECK(structure_hash(std::vector<NamedShape>{}) == md5_hex(""));
}
