#include "engine/check/check.hpp"

#include "engine/check/thunk.hpp"

namespace gesso::checking {
namespace {

/// A table with our functions in place of those that `real` has; the same one for each call.
template <class Table>
const void* watched(Component& component, Copy<Table>& copy, const void* real) {
  const std::lock_guard lock(component.mutex);
  if (copy.real == real) return &copy.table;
  copy.real = static_cast<const Table*>(real);
  copy.table = copy_of(*copy.real);
  replace_functions(copy.table);
  return &copy.table;
}

/// Null when no table of `copies` has the id.
template <class... Tables>
const void* find_watched(Component& component, std::tuple<Copy<Tables>...>& copies,
                         std::string_view id, const void* real) {
  const void* found = nullptr;
  ((id == Rules<Tables>::id ? void(found = watched(component, std::get<Copy<Tables>>(copies), real))
                            : void()),
   ...);
  return found;
}

}  // namespace

/// Of an interface that is not known here nothing can be watched, and its functions would get a
/// `self` that is not theirs.
const void* Hook<&gesso_component_t::get_interface>::result(Visit& visit, const void* table,
                                                            const char* id) {
  if (!table) return nullptr;
  Component& component = visit.component();
  const void* found = find_watched(component, component.interfaces, id, table);
  if (!found) {
    component.watcher->remark(fmt::format(
        "{}: the interface \"{}\" is not known to GESSO_CHECK and hidden", component.name, id));
  }
  return found;
}

const void* Hook<&gesso_host_t::get_service>::result(Visit& visit, const void* table,
                                                     const char* id) {
  if (!table) return nullptr;
  const void* found = find_watched(visit.component(), visit.component().services, id, table);
  return found ? found : table;
}

TensorHandle::TensorHandle(Component& owner, gesso_tensor_t& from, bool is_given)
    : Object(owner), table(from), real(&from), is_given(is_given) {
  table.deleter = release;
  Known::all().add(&table, *this);
}

void TensorHandle::release(gesso_tensor_t* tensor) {
  auto* handle = Known::all().find<TensorHandle>(tensor);
  if (!handle) return;
  const Component& owner = handle->owner;
  if (!handle->is_given) {
    owner.watcher->problem(
        fmt::format("{}: released a tensor that it only borrowed (R5)", owner.name));
  } else if (handle->ended.exchange(true)) {
    owner.watcher->problem(
        fmt::format("{}: a tensor that it gave was released twice (R5)", owner.name));
  } else {
    --handle->owner.given;
    if (handle->real->deleter) handle->real->deleter(handle->real);
    Known::all().retire(tensor, std::unique_ptr<Object>(handle));
  }
}

gesso_tensor_t* watch_given(Component& owner, gesso_tensor_t* tensor) {
  if (!tensor) return nullptr;
  ++owner.given;
  return &(new TensorHandle(owner, *tensor, true))->table;  // until its deleter is called
}

gesso_tensor_t* LentTensors::lend(Component& owner, gesso_tensor_t* tensor) {
  if (!tensor) return nullptr;
  tensors_.push_back(std::make_unique<TensorHandle>(owner, *tensor, false));
  return &tensors_.back()->table;
}

void LentTensors::end() {
  for (auto& tensor : tensors_) {
    const void* address = &tensor->table;
    Known::all().retire(address, std::move(tensor));
  }
  tensors_.clear();
}

gesso_component_t* watch(std::shared_ptr<Watcher> watcher, const std::string& plugin,
                         const std::string& id, const gesso_host_t& host, const Make& make) {
  auto& component =
      *new Component(watcher, fmt::format("plugin {}, component {}", plugin, id), host);
  component.host.table = copy_of(host);
  replace_functions(component.host.table);
  try {
    component.real = make(&component.host.table);
  } catch (...) {
    component.ended = true;
    throw;
  }
  component.table = copy_of(*component.real);
  component.table.self = &component;
  replace_functions(component.table);
  watcher->add(component);
  return &component.table;
}

}  // namespace gesso::checking
