#include "engine/reports/page.hpp"

#include <doctest/doctest.h>

using namespace gesso::reports;

// Source: RFC 4648, section 10.
TEST_CASE("base64") {
  const auto of = [](std::string_view text) {
    return base64({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  };
  CHECK(of("") == "");
  CHECK(of("f") == "Zg==");
  CHECK(of("fo") == "Zm8=");
  CHECK(of("foo") == "Zm9v");
  CHECK(of("foobar") == "Zm9vYmFy");
}

TEST_CASE("texts cannot break the page") {
  Page page("<a> & \"b\"");
  page.table({"key"}, {{"<script>"}});
  const std::string html = page.finish();
  CHECK(html.find("<script>") == std::string::npos);
  CHECK(html.find("&lt;a&gt; &amp; &quot;b&quot;") != std::string::npos);
  CHECK(html.ends_with("</body></html>\n"));
}
