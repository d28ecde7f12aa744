// Batches: the same whatever the threads; stopping, going on, leaving out.
#include <fmt/format.h>

#include <set>

#include "workplace.hpp"

using namespace gesso;
using namespace gesso::data;
using gesso::test::Workplace;

namespace {

/// `count` pictures, each of a grey of its own; every fourth is tall.
void fill(Workplace& place, int count) {
  std::string text = "image,prompt\n";
  for (int i = 0; i < count; ++i) {
    place.picture(fmt::format("{}.png", i), 16, i % 4 == 0 ? 32 : 16, static_cast<uint8_t>(i));
    text += fmt::format("{0}.png,{0}\n", i);
  }
  place.metadata("a.csv", text);
}

std::string taken(Loader& loader, int batches) {
  std::string text;
  for (int i = 0; i < batches; ++i) {
    for (const Item& item : loader.next().items) {
      CHECK((item.prompt_dropped ||
             item.prompt == std::to_string(item.images.at("image")[0].pixels[0])));
      text += item.prompt_dropped ? "-" : item.prompt + " ";
    }
    text += "| ";
  }
  return text;
}

Loader open(const Workplace& place, Worker worker = {}, Position start = {}) {
  const auto dataset = open_dataset(place.plan);
  return Loader(dataset, split(*dataset, place.plan).train, place.plan, worker, start);
}

}  // namespace

TEST_CASE("threads do not change what comes") {
  Workplace place;
  fill(place, 23);
  place.plan.caption_dropout = 0.2;
  place.plan.repeat = 2;
  for (const int64_t batch : {1, 3}) {
    place.plan.batch_size = batch;
    std::set<std::string> results;
    for (const int64_t threads : {0, 1, 4}) {
      place.plan.num_workers = threads;
      Loader loader = open(place);
      results.insert(taken(loader, 60));
    }
    CAPTURE(batch);
    CHECK(results.size() == 1);
    CHECK(results.begin()->find('-') != std::string::npos);
  }
}

TEST_CASE("a loader goes on exactly where another one stopped") {
  Workplace place;
  fill(place, 11);
  place.plan.num_workers = 2;
  place.plan.batch_size = 2;
  place.plan.seed = 3;
  for (const int before : {0, 1, 5, 6, 7, 20}) {
    CAPTURE(before);
    Loader first = open(place);
    taken(first, before);
    const Position position = first.position();
    Loader second = open(place, {}, position);
    CHECK(second.position() == position);
    CHECK(taken(first, 9) == taken(second, 9));
  }
}

TEST_CASE("batches know their epoch and its end") {
  Workplace place;
  fill(place, 5);
  Loader loader = open(place);
  CHECK(loader.batches_per_epoch() == 5);
  for (uint64_t i = 0; i < 12; ++i) {
    const Batch batch = loader.next();
    CHECK(batch.position == Position{i / 5, i % 5});
    CHECK(batch.ends_epoch == (i % 5 == 4));
    CHECK(batch.global_items == 1);
  }
}

TEST_CASE("workers together see what one sees") {
  Workplace place;
  fill(place, 16);
  place.plan.batch_size = 4;
  Loader one = open(place);
  place.plan.batch_size = 2;
  Loader left = open(place, {0, 2}), right = open(place, {1, 2});
  for (int i = 0; i < 8; ++i) {
    const Batch whole = one.next(), a = left.next(), b = right.next();
    REQUIRE(whole.items.size() == a.items.size() + b.items.size());
    CHECK(a.global_items == whole.items.size());
    for (size_t k = 0; k < a.items.size(); ++k) {
      CHECK(whole.items[k].prompt == a.items[k].prompt);
      CHECK(whole.items[a.items.size() + k].prompt == b.items[k].prompt);
    }
  }
}

TEST_CASE("a damaged file stops the run, or is left out and named once") {
  Workplace place;
  fill(place, 4);
  place.write("2.png", "no picture");
  place.plan.num_workers = 2;
  CHECK(place
            .problem([&] {
              Loader loader = open(place);
              taken(loader, 4);
            })
            .starts_with("a.csv:4: 2.png: not an image that can be read"));

  place.plan.on_error = config::OnError::Skip;
  for (const int64_t batch : {1, 2}) {
    CAPTURE(batch);
    place.plan.batch_size = batch;
    Loader loader = open(place);
    std::set<std::string> seen;
    for (uint64_t i = 0; i < 3 * loader.batches_per_epoch(); ++i) {
      for (const Item& item : loader.next().items) seen.insert(item.prompt);
    }
    CHECK(seen == std::set<std::string>{"0", "1", "3"});
    REQUIRE(loader.failures().size() == 1);
    CHECK(place.told(loader.failures()[0].where) == "a.csv:4");
  }
}

TEST_CASE("a dataset in which nothing can be read is an error, not an endless wait") {
  Workplace place;
  fill(place, 2);
  place.write("0.png", "x");
  place.write("1.png", "x");
  place.plan.on_error = config::OnError::Skip;
  for (const int64_t batch : {1, 2}) {
    place.plan.batch_size = batch;
    CHECK(place
              .problem([&] {
                Loader loader = open(place);
                taken(loader, 2);
              })
              .find("no item of the dataset could be read") == 0);
  }
}

TEST_CASE("held-out rows are chosen by the seed and never shown") {
  Workplace place;
  fill(place, 20);
  place.plan.validation_split = 0.25;
  const auto dataset = open_dataset(place.plan);
  const Split first = split(*dataset, place.plan);
  CHECK(first.validation.size() == 5);
  CHECK(first.train.size() == 15);
  for (const size_t row : first.validation) {
    CHECK(std::ranges::find(first.train, row) == first.train.end());
  }
  place.plan.seed = 1;
  CHECK(split(*dataset, place.plan).validation != first.validation);
}

TEST_CASE("a position beyond the epoch is told") {
  Workplace place;
  fill(place, 3);
  CHECK(place.problem([&] {
               open(place, {}, {0, 3});
             })
            .find("was it changed?") != std::string::npos);
}
