// C structs to fields of a message and back, by one description for both directions (structs.hpp):
//
//   template <class A> void fields(A& a, gesso_target_t& t) { a(t.name); a(t.out_features); ... }
//
// A Writer reads the struct, a Reader fills it. What a Reader's structs point to lives in its Pool.
#pragma once

#include <concepts>
#include <cstring>
#include <deque>
#include <memory_resource>
#include <string>
#include <type_traits>

#include "gesso/cpp/error.hpp"
#include "gesso/cpp/tensor.hpp"
#include "gesso/module.h"
#include "gesso/plugin.h"
#include "isolation/message.hpp"

namespace gesso::isolation {

/// Owns what structs that were read point to.
class Pool {
 public:
  template <class T>
  T* array(size_t count) {
    static_assert(std::is_trivially_destructible_v<T>);
    if (count > kMostBytes) throw Error(Status::BadData, "a list that is too long");
    T* made = static_cast<T*>(memory_.allocate(sizeof(T) * (count + 1), alignof(std::max_align_t)));
    std::memset(static_cast<void*>(made), 0, sizeof(T) * (count + 1));
    return made;
  }
  const char* text(Bytes bytes) {
    char* made = array<char>(bytes.size());  // with a 0 behind it
    std::memcpy(made, bytes.data(), bytes.size());
    return made;
  }
  gesso_tensor_t* own(Tensor tensor) { return tensors_.emplace_back(std::move(tensor)).get(); }

 private:
  std::pmr::monotonic_buffer_resource memory_;
  std::deque<Tensor> tensors_;
};

/// Finds the bytes of tensors that were received, or makes tensors of them.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  virtual Tensor tensor(const TensorField& field) = 0;
  /// The weights of the component. @throws Error  where there are none
  virtual gesso_weights_t* weights() { throw Error(Status::BadData, "no weights are here"); }
};

/// Puts the bytes of tensors where the receiver finds them.
class TensorTarget {
 public:
  virtual ~TensorTarget() = default;
  /// Sets `where`, `place` and `file`; type, shape and bytes are there.
  virtual void place(const DLTensor& tensor, TensorField& field) = 0;
};

class Writer {
 public:
  static constexpr bool kReads = false;
  Writer(Kind kind, uint32_t method, TensorTarget& target)
      : builder_(kind, method), target_(target) {}

  template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void operator()(const T& value) {
    if constexpr (std::is_floating_point_v<T>)
      builder_.add(static_cast<double>(value));
    else
      builder_.add(static_cast<int64_t>(value));
  }
  void operator()(const char* text) {
    if (!text) return builder_.add(Null{});
    builder_.add(std::as_bytes(std::span(text, std::strlen(text))));
  }
  void operator()(const DLDataType& type) { pod(type); }
  void operator()(const gesso_tensor_t* tensor) {
    if (!tensor) return builder_.add(Null{});
    const DLTensor& dl = tensor->dl_tensor;
    TensorField field{dl.dtype, Where::Nowhere, 0, 0, 0, {dl.shape, dl.shape + dl.ndim}};
    field.bytes = tensor_bytes(dl.dtype, field.shape);
    if (dl.data || field.bytes == 0) target_.place(dl, field);
    builder_.add(field);
  }
  /// A text that may be NULL.
  void maybe(const char* text) { (*this)(text); }
  template <class T>
  void pod(const T& value) {
    builder_.add(std::as_bytes(std::span(&value, 1)));
  }

  /// A list of numbers or structs, and of pointers to structs.
  template <class T, class Count>
  void list(const T* items, Count count) {
    if constexpr (std::is_arithmetic_v<T>) {
      builder_.add(std::as_bytes(std::span(items, items ? static_cast<size_t>(count) : 0)));
    } else {
      (*this)(static_cast<uint64_t>(count));
      for (size_t i = 0; i < static_cast<size_t>(count); ++i) item(items[i]);
    }
  }
  /// Ended by NULL.
  void texts(const char* const* list) {
    size_t count = 0;
    while (list && list[count]) ++count;
    (*this)(count);
    for (size_t i = 0; i < count; ++i) (*this)(list[i]);
  }
  template <class T>
  void optional(const T* item_or_null) {
    (*this)(item_or_null != nullptr);
    if (item_or_null) item(*item_or_null);
  }

  void append(const Writer& other) { builder_.append(other.builder_); }
  Builder& builder() { return builder_; }

 private:
  template <class T>
  void item(const T* const& pointer) {
    fields(*this, const_cast<T&>(*pointer));
  }
  template <class T>
  requires(!std::is_pointer_v<T>) void item(const T& value) {
    fields(*this, const_cast<T&>(value));
  }
  void item(const char* const& text) { (*this)(text); }
  void item(gesso_tensor_t* const& tensor) { (*this)(tensor); }

  Builder builder_;
  TensorTarget& target_;
};

class Reader {
 public:
  static constexpr bool kReads = true;
  Reader(const Message& message, Pool& pool, TensorSource& source)
      : left_(message.fields), pool_(&pool), source_(&source) {}

  /// @throws Error  BadData, as all functions here, when the field is of another kind
  template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void operator()(T& value) {
    if constexpr (std::is_floating_point_v<T>) {
      value = static_cast<T>(next<double>("a real number"));
    } else {
      const auto number = next<int64_t>("an integer");
      value = static_cast<T>(number);
      if constexpr (sizeof(T) < sizeof(int64_t) && !std::is_enum_v<T>)
        if (static_cast<int64_t>(value) != number)
          throw Error(Status::BadData, "a number that is too large for its place");
    }
  }
  /// "" for a text that is not there: what has to be a text never becomes NULL.
  void operator()(const char*& text) {
    maybe(text);
    if (!text) text = "";
  }
  /// A text that may be NULL.
  void maybe(const char*& text) { text = is_null() ? nullptr : pool_->text(next<Bytes>("a text")); }
  void operator()(DLDataType& type) { pod(type); }
  void operator()(gesso_tensor_t*& tensor) { tensor = pool_->own(take_tensor()); }
  /// A tensor that is the caller's from now on.
  Tensor take_tensor() { return source_->tensor(next<TensorField>("a tensor")); }
  template <class T>
  void pod(T& value) {
    const Bytes bytes = next<Bytes>("bytes");
    if (bytes.size() != sizeof value) throw Error(Status::BadData, "a struct of another size");
    std::memcpy(&value, bytes.data(), sizeof value);
  }

  template <class T, class Count>
  void list(const T*& items, Count& count) {
    if constexpr (std::is_arithmetic_v<T>) {
      const Bytes bytes = next<Bytes>("a list of numbers");
      if (bytes.size() % sizeof(T) != 0) throw Error(Status::BadData, "a list of other numbers");
      count = static_cast<Count>(bytes.size() / sizeof(T));
      T* made = pool_->array<T>(bytes.size() / sizeof(T));
      std::memcpy(made, bytes.data(), bytes.size());
      items = made;
    } else {
      const size_t n = length();
      count = static_cast<Count>(n);
      T* made = pool_->array<T>(n);
      for (size_t i = 0; i < n; ++i) item(made[i]);
      items = made;
    }
  }
  void texts(const char* const*& list) {
    const size_t count = length();
    const char** made = pool_->array<const char*>(count);
    for (size_t i = 0; i < count; ++i) (*this)(made[i]);
    list = count ? made : nullptr;
  }
  template <class T>
  void optional(const T*& item_or_null) {
    bool there = false;
    (*this)(there);
    item_or_null = nullptr;
    if (!there) return;
    T* made = pool_->array<T>(1);
    item(*made);
    item_or_null = made;
  }
  /// Everything was read. @throws Error  BadData
  void end() const {
    if (!left_.empty()) throw Error(Status::BadData, "more fields than the method has");
  }
  /// From now on what structs point to lives there.
  void keep_in(Pool& pool) { pool_ = &pool; }
  /// From now on tensors come from there.
  void take_from(TensorSource& source) { source_ = &source; }
  gesso_weights_t* weights() { return source_->weights(); }

 private:
  bool is_null() {
    const bool null = !left_.empty() && std::holds_alternative<Null>(left_.front());
    if (null) left_ = left_.subspan(1);
    return null;
  }
  /// A count of items; each of them has one field at least.
  size_t length() {
    uint64_t count = 0;
    (*this)(count);
    if (count > left_.size())
      throw Error(Status::BadData, "a list that is longer than its message");
    return static_cast<size_t>(count);
  }
  template <class T>
  void item(const T*& pointer) {
    T* made = pool_->array<T>(1);
    item(*made);
    pointer = made;
  }
  template <class T>
  requires(!std::is_pointer_v<T>) void item(T& value) {
    if constexpr (requires { value.struct_size; }) value.struct_size = sizeof(T);
    fields(*this, value);
  }
  void item(const char*& text) { (*this)(text); }
  void item(gesso_tensor_t*& tensor) { (*this)(tensor); }
  template <class T>
  const T& next(const char* expected) {
    const T* found = left_.empty() ? nullptr : std::get_if<T>(&left_.front());
    if (!found)
      throw Error(Status::BadData,
                  std::string("a message of the other process is damaged: expected ") + expected);
    left_ = left_.subspan(1);
    return *found;
  }

  std::span<const Field> left_;
  Pool* pool_;
  TensorSource* source_;
};

}  // namespace gesso::isolation
