// Metadata files of every kind, right and wrong.
#include "engine/data/metadata.hpp"

#include "workplace.hpp"

using namespace gesso;
using namespace gesso::data;
using gesso::test::Workplace;
using nlohmann::json;

namespace {

const std::vector<std::string> kTexts = {"image", "prompt"};

std::vector<Row> read(const std::string& name, const std::string& text) {
  Workplace place;
  place.write(name, text);
  std::vector<Row> rows = read_metadata(place / name, kTexts);
  for (Row& row : rows) row.where = place.told(row.where);
  return rows;
}

std::string problem(const std::string& name, const std::string& text) {
  Workplace place;
  place.write(name, text);
  return place.problem([&] { read_metadata(place / name, kTexts); });
}

}  // namespace

TEST_CASE("CSV keeps quotes, commas, line breaks and spaces") {
  const auto rows = read("a.csv",
                         "\xEF\xBB\xBFimage,prompt\r\n"
                         "a.png,\"a \"\"red\"\" apple, on\na table\"\r\n"
                         "\r\n"
                         "b.png,  two spaces  \n"
                         "c.png,last");
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].values == json{{"image", "a.png"}, {"prompt", "a \"red\" apple, on\na table"}});
  CHECK(rows[0].where == "a.csv:2");
  CHECK(rows[1].values["prompt"] == "  two spaces  ");
  CHECK(rows[1].where == "a.csv:5");
  CHECK(rows[2].where == "a.csv:6");
}

TEST_CASE("a first cell with line breaks does not move the line of its row") {
  const auto rows = read("a.csv", "prompt,image\n\"one\ntwo\nthree\",a.png\nfour,b.png\n");
  CHECK(rows[0].where == "a.csv:2");
  CHECK(rows[1].where == "a.csv:5");
}

TEST_CASE("cells of CSV are typed but for texts") {
  const auto rows =
      read("a.csv", "image,prompt,seed,cfg_scale,on,none,word\na.png,42,7,1.5,True,,x1\n");
  CHECK(rows[0].values == json{{"image", "a.png"},
                               {"prompt", "42"},
                               {"seed", 7},
                               {"cfg_scale", 1.5},
                               {"on", true},
                               {"none", nullptr},
                               {"word", "x1"}});
}

TEST_CASE("JSON and JSONL give objects with their place") {
  const auto list =
      read("a.json", R"([{"image": "a.png", "prompt": "x"}, {"edit_image": ["b", "c"]}])");
  REQUIRE(list.size() == 2);
  CHECK(list[1].where == "a.json: item 2");
  CHECK(list[1].values["edit_image"] == json{"b", "c"});
  const auto lines = read("a.jsonl", "{\"prompt\": \"x\"}\n\n{\"prompt\": \"y\"}\r\n");
  REQUIRE(lines.size() == 2);
  CHECK(lines[1].where == "a.jsonl:3");
  CHECK(lines[1].values["prompt"] == "y");
}

TEST_CASE("wrong metadata is told with its line") {
  const std::pair<const char*, std::pair<const char*, const char*>> cases[] = {
      {"a.csv", {"", "a.csv: the file is empty; expected a line with the names of the columns"}},
      {"a.csv", {"image,prompt\n", "a.csv: the dataset is empty: there is no item in it"}},
      {"a.csv", {"image,image\na,b\n", "a.csv:1: the column \"image\" is there twice"}},
      {"a.csv", {"image,\na,b\n", "a.csv:1: a column has no name"}},
      {"a.csv",
       {"image,prompt\na.png,an apple, red\n",
        "a.csv:2: expected 2 cells as in the first line, found 3; a text with a comma in it needs "
        "quotes around it"}},
      {"a.csv",
       {"image,prompt\na.png,x\nb.png,\"an \"apple\"\n",
        "a.csv:3: a quote (\") inside a cell without quotes, or text behind a closing quote; put "
        "quotes around the whole cell and double those in it"}},
      {"a.csv",
       {"image,prompt\na.png,\"an apple\n",
        "a.csv:2: a quote (\") is opened in this row and never closed"}},
      {"a.csv", {"image,prompt\na.png,\xff\xfe\n", "a.csv:2: the text is not UTF-8"}},
      {"a.json", {"{}", "a.json: expected a list of objects, found object"}},
      {"a.json", {"[]", "a.json: the dataset is empty: there is no item in it"}},
      {"a.jsonl",
       {"{}\n[1]\n",
        "a.jsonl:2: expected an object such as {\"image\": \"a.png\", \"prompt\": \"...\"}, found "
        "array"}},
      {"a.txt", {"x", "a.txt: expected a .csv, .json or .jsonl file"}},
  };
  for (const auto& [name, content] : cases) {
    CAPTURE(content.first);
    CHECK(problem(name, content.first) == content.second);
  }
  CHECK(problem("a.jsonl", "{}\n{\"a\": }\n").starts_with("a.jsonl:2: "));
  CHECK(problem("a.json", "[{]").find("line 1, column 3") != std::string::npos);
}
