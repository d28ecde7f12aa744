//! An adapter in Rust, without crates: LoRA files in a dialect of their own.
//!
//! NAME.left [out, rank] and NAME.right [rank, in] are the factors of an update of the weight NAME:
//! y += x right^T left^T. Both are handed on as they are; the host and the model do the rest. The
//! structs below are those of gesso's C headers, as far as an adapter needs them.
//!
//!     gesso run emoji.toml --lora style.safetensors
#![allow(non_camel_case_types)]
use std::collections::HashMap;
use std::ffi::CStr;
use std::os::raw::{c_char, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::{null, null_mut};

type Status = i32;
const OK: Status = 0;
const NOT_FOUND: Status = 3;
const BAD_DATA: Status = 6;
const INCOMPATIBLE: Status = 7;
const INTERNAL: Status = 11;
const ABI_MINOR: u32 = 0;
const TARGET_NONE: u32 = 0xFFFF_FFFF;

#[repr(C)]
pub struct gesso_error_t { struct_size: u32, status: Status, text: *mut c_char, capacity: u32, length: u32 }

/// The start of DLManagedTensorVersioned: what is read here, up to the shape.
#[repr(C)]
pub struct gesso_tensor_t {
    version: [u32; 2], manager: *mut c_void, deleter: *const c_void, flags: u64,
    data: *mut c_void, device: [i32; 2], ndim: i32, dtype: [u8; 4], shape: *const i64,
}

/// Only its first two fields are read.
#[repr(C)]
pub struct gesso_host_t { struct_size: u32, abi_minor: u32 }

#[repr(C)]
pub struct gesso_target_t { name: *const c_char, out_features: i64, in_features: i64 }

#[repr(C)]
pub struct gesso_named_tensor_t { name: *const c_char, tensor: *mut gesso_tensor_t }

#[repr(C)]
pub struct gesso_delta_t {
    form: *const c_char, id: u32, n_parts: u32, scale: f64, items: u64,
    parts: *const *mut gesso_tensor_t, flags: u32, reserved: u32,
}

#[repr(C)]
pub struct gesso_delta_source_t {
    struct_size: u32, reserved: u32,
    open: extern "C" fn(*mut c_void, *const c_void, *const gesso_named_tensor_t, u64, *const gesso_target_t, u64,
                        *mut *mut c_void, *mut u64, *mut gesso_error_t) -> Status,
    get: extern "C" fn(*mut c_void, *mut c_void, u64, *mut u32, *mut *const c_char, *mut gesso_delta_t,
                       *mut gesso_error_t) -> Status,
    close: extern "C" fn(*mut c_void, *mut c_void),
    materialize: *const c_void, // NULL: there are no updates of another form
}

#[repr(C)]
pub struct gesso_component_desc_t {
    struct_size: u32, n_params: u32, id: *const c_char, kind: *const c_char, name: *const c_char,
    version: *const c_char, summary: *const c_char, interfaces: *const [*const c_char; 2], params: *const c_void,
}

#[repr(C)]
pub struct gesso_component_t {
    struct_size: u32, reserved: u32, this: *mut c_void, desc: *const gesso_component_desc_t,
    prepare: extern "C" fn(*mut c_void, *const c_void, *const c_void) -> Status,
    get_interface: extern "C" fn(*mut c_void, *const c_char) -> *const c_void,
    destroy: extern "C" fn(*mut c_void),
}

#[repr(C)]
pub struct gesso_plugin_t {
    struct_size: u32, abi_minor: u32, id: *const c_char, version: *const c_char, vendor: *const c_char,
    license: *const c_char, components: *const [&'static gesso_component_desc_t; 1], n_components: u64,
    create: extern "C" fn(*const gesso_plugin_t, *const gesso_host_t, *const c_char, *mut *mut gesso_component_t,
                          *mut gesso_error_t) -> Status,
    get_interface: extern "C" fn(*const gesso_plugin_t, *const c_char) -> *const c_void,
    shutdown: extern "C" fn(*const gesso_plugin_t),
}

// Tables are constant and hold pointers to constants: threads may share them.
unsafe impl Sync for gesso_delta_source_t {}
unsafe impl Sync for gesso_component_desc_t {}
unsafe impl Sync for gesso_plugin_t {}
struct Names([*const c_char; 2]);
unsafe impl Sync for Names {}

macro_rules! c { ($text:literal) => { concat!($text, "\0").as_ptr() as *const c_char }; }

fn text<'a>(c: *const c_char) -> &'a str {
    if c.is_null() { "" } else { unsafe { CStr::from_ptr(c) }.to_str().unwrap_or("") }
}

/// Writes a failure into the caller's memory, cut to its room.
fn fail(error: *mut gesso_error_t, status: Status, message: &str) -> Status {
    if let Some(e) = unsafe { error.as_mut() } {
        e.status = status;
        e.length = message.len() as u32;
        if !e.text.is_null() && e.capacity > 0 {
            let kept = message.len().min(e.capacity as usize - 1);
            unsafe {
                std::ptr::copy_nonoverlapping(message.as_ptr() as *const c_char, e.text, kept);
                *e.text.add(kept) = 0;
            }
        }
    }
    status
}

/// No panic crosses the boundary.
fn guard(error: *mut gesso_error_t, body: impl FnOnce() -> Result<(), (Status, String)>) -> Status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => OK,
        Ok(Err((status, message))) => fail(error, status, &message),
        Err(_) => fail(error, INTERNAL, "two_sides: a bug of this plugin"),
    }
}

/// One update, or a key that matched nothing. The name and the tensors are the host's until `close`.
struct Entry { target: u32, name: *const c_char, rank: i64, parts: [*mut gesso_tensor_t; 2] }

fn shape(tensor: &gesso_named_tensor_t) -> Result<(i64, i64), (Status, String)> {
    let t = unsafe { &*tensor.tensor };
    if t.ndim != 2 {
        return Err((BAD_DATA, format!("{}: expected a matrix, found {} dimensions", text(tensor.name), t.ndim)));
    }
    Ok(unsafe { (*t.shape, *t.shape.add(1)) })
}

fn pair(left: &gesso_named_tensor_t, right: &gesso_named_tensor_t, target: u32, of: &gesso_target_t)
        -> Result<Entry, (Status, String)> {
    let ((out, rank), (rank_too, inner)) = (shape(left)?, shape(right)?);
    if out != of.out_features || inner != of.in_features || rank != rank_too {
        return Err((INCOMPATIBLE, format!(
            "{}: expected factors [{}, r] and [r, {}], found [{out}, {rank}] and [{rank_too}, {inner}]; \
             is it a LoRA for another model?", text(left.name), of.out_features, of.in_features)));
    }
    // The host's order: A [rank, in], then B [out, rank].
    Ok(Entry { target, name: left.name, rank, parts: [right.tensor, left.tensor] })
}

fn read(tensors: &[gesso_named_tensor_t], targets: &[gesso_target_t]) -> Result<Vec<Entry>, (Status, String)> {
    let places: HashMap<&str, usize> = targets.iter().enumerate().map(|(i, t)| (text(t.name), i)).collect();
    let rights: HashMap<&str, &gesso_named_tensor_t> =
        tensors.iter().filter_map(|t| Some((text(t.name).strip_suffix(".right")?, t))).collect();
    let mut used = std::collections::HashSet::new();
    let mut entries = Vec::new();
    for tensor in tensors {
        let name = match text(tensor.name).strip_suffix(".left") {
            Some(name) => name,
            None => continue,
        };
        if let (Some(&place), Some(right)) = (places.get(name), rights.get(name)) {
            entries.push(pair(tensor, right, place as u32, &targets[place])?);
            used.insert(name);
        }
    }
    // Every key is accounted for.
    for tensor in tensors {
        let name = text(tensor.name);
        let stem = name.strip_suffix(".left").or_else(|| name.strip_suffix(".right")).unwrap_or(name);
        if !used.contains(stem) {
            entries.push(Entry { target: TARGET_NONE, name: tensor.name, rank: 0, parts: [null_mut(); 2] });
        }
    }
    Ok(entries)
}

fn slice<'a, T>(start: *const T, count: u64) -> &'a [T] {
    if count == 0 { &[] } else { unsafe { std::slice::from_raw_parts(start, count as usize) } }
}

extern "C" fn open(_: *mut c_void, _: *const c_void, tensors: *const gesso_named_tensor_t, n_tensors: u64,
                   targets: *const gesso_target_t, n_targets: u64, set: *mut *mut c_void, count: *mut u64,
                   error: *mut gesso_error_t) -> Status {
    guard(error, || {
        let entries = read(slice(tensors, n_tensors), slice(targets, n_targets))?;
        unsafe {
            *count = entries.len() as u64;
            *set = Box::into_raw(Box::new(entries)) as *mut c_void;
        }
        Ok(())
    })
}

extern "C" fn get(_: *mut c_void, set: *mut c_void, index: u64, target: *mut u32, name: *mut *const c_char,
                  delta: *mut gesso_delta_t, error: *mut gesso_error_t) -> Status {
    guard(error, || {
        let entries = unsafe { &*(set as *const Vec<Entry>) };
        let entry = entries.get(index as usize).ok_or((NOT_FOUND, format!("there is no update {index}")))?;
        unsafe {
            *target = entry.target;
            *name = entry.name;
            (*delta).form = c!("low_rank");
            (*delta).n_parts = if entry.rank > 0 { 2 } else { 0 };
            (*delta).parts = entry.parts.as_ptr();
            (*delta).scale = 1.0; // this dialect has no alpha
        }
        Ok(())
    })
}

extern "C" fn close(_: *mut c_void, set: *mut c_void) {
    if !set.is_null() { drop(unsafe { Box::from_raw(set as *mut Vec<Entry>) }); }
}

static SOURCE: gesso_delta_source_t = gesso_delta_source_t {
    struct_size: std::mem::size_of::<gesso_delta_source_t>() as u32, reserved: 0, open, get, close, materialize: null(),
};
static INTERFACES: Names = Names([c!("gesso.delta-source/1"), null()]);
static DESCRIPTION: gesso_component_desc_t = gesso_component_desc_t {
    struct_size: std::mem::size_of::<gesso_component_desc_t>() as u32, n_params: 0,
    id: c!("org.example.two_sides.source"), kind: c!("delta_source"), name: c!("Two sides"), version: c!("1.0.0"),
    summary: c!("Updates of low rank whose factors are called NAME.left and NAME.right"),
    interfaces: &INTERFACES.0, params: null(),
};

extern "C" fn prepare(_: *mut c_void, _: *const c_void, _: *const c_void) -> Status { OK }
extern "C" fn get_interface(_: *mut c_void, id: *const c_char) -> *const c_void {
    if text(id) == "gesso.delta-source/1" { &SOURCE as *const _ as *const c_void } else { null() }
}
extern "C" fn destroy(this: *mut c_void) { drop(unsafe { Box::from_raw(this as *mut gesso_component_t) }); }

extern "C" fn create(_: *const gesso_plugin_t, _: *const gesso_host_t, id: *const c_char,
                     out: *mut *mut gesso_component_t, error: *mut gesso_error_t) -> Status {
    guard(error, || {
        if text(id) != text(DESCRIPTION.id) {
            return Err((NOT_FOUND, format!("org.example.two_sides has no component \"{}\"", text(id))));
        }
        let component = Box::into_raw(Box::new(gesso_component_t {
            struct_size: std::mem::size_of::<gesso_component_t>() as u32, reserved: 0, this: null_mut(),
            desc: &DESCRIPTION, prepare, get_interface, destroy,
        }));
        unsafe {
            (*component).this = component as *mut c_void; // it has no state of its own
            *out = component;
        }
        Ok(())
    })
}

extern "C" fn plugin_interface(_: *const gesso_plugin_t, _: *const c_char) -> *const c_void { null() }
extern "C" fn shutdown(_: *const gesso_plugin_t) {}

static COMPONENTS: [&gesso_component_desc_t; 1] = [&DESCRIPTION];
static PLUGIN: gesso_plugin_t = gesso_plugin_t {
    struct_size: std::mem::size_of::<gesso_plugin_t>() as u32, abi_minor: ABI_MINOR, id: c!("org.example.two_sides"),
    version: c!("1.0.0"), vendor: c!("Example"), license: c!("Apache-2.0"), components: &COMPONENTS, n_components: 1,
    create, get_interface: plugin_interface, shutdown,
};

/// The one exported symbol.
#[no_mangle]
pub extern "C" fn gesso_plugin_entry_1(host: *const gesso_host_t, plugin: *mut *const gesso_plugin_t,
                                       error: *mut gesso_error_t) -> Status {
    guard(error, || {
        let minor = unsafe { (*host).abi_minor };
        if minor < ABI_MINOR {
            return Err((INCOMPATIBLE, format!("org.example.two_sides needs ABI 1.{ABI_MINOR}, this host speaks 1.{minor}; \
                                               update the host")));
        }
        unsafe { *plugin = &PLUGIN };
        Ok(())
    })
}
