//! A scheduler of even steps from noise to picture, in Rust and without crates.
//!
//! The structs are those of gesso's C headers (gesso/plugin.h, gesso/kind/scheduler.h), as far as a
//! scheduler needs them.
#![allow(non_camel_case_types)]
use std::ffi::CStr;
use std::os::raw::{c_char, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::{null, null_mut};

type Status = i32;
const OK: Status = 0;
const INVALID_ARGUMENT: Status = 2;
const NOT_FOUND: Status = 3;
const INCOMPATIBLE: Status = 7;
const INTERNAL: Status = 11;
const ABI_MINOR: u32 = 0;
const VELOCITY: i32 = 1;

#[repr(C)]
pub struct gesso_error_t { struct_size: u32, status: Status, text: *mut c_char, capacity: u32, length: u32 }

/// Only its first two fields are read.
#[repr(C)]
pub struct gesso_host_t { struct_size: u32, abi_minor: u32 }

/// As far as its error.
#[repr(C)]
pub struct gesso_call_t {
    struct_size: u32, flags: u32, data: *mut c_void, stream: *mut c_void, device: [i32; 2], thread_limit: u32,
    reserved: u32, error: *mut gesso_error_t,
}

#[repr(C)]
#[derive(Default)]
pub struct gesso_eval_t {
    timestep: f64, sigma: f64, sigma_next: f64, c_sample: f64, c_noise: f64, c_history: [f64; 4], n_history: u32, flags: u32,
}

#[repr(C)]
pub struct gesso_schedule_request_t {
    struct_size: u32, n_steps: u32, strength: f64, latent_tokens: u64, values: *const c_void, n_values: u64,
}

#[repr(C)]
pub struct gesso_scheduler_t {
    struct_size: u32, prediction: i32,
    plan: extern "C" fn(*mut c_void, *const gesso_call_t, *const gesso_schedule_request_t, *mut gesso_eval_t, u32,
                        *mut u32) -> Status,
    train_point: extern "C" fn(*mut c_void, *const c_void, *const gesso_schedule_request_t, f64, *mut f64, *mut f64,
                               *mut f64) -> Status,
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
        Err(_) => fail(error, INTERNAL, "my_plugin: a bug of this plugin"),
    }
}

/// The evaluation number `i` of `n`: Euler, x + (next - now) * velocity.
fn eval(i: u32, n: u32, strength: f64) -> gesso_eval_t {
    let sigma = strength * (1.0 - i as f64 / n as f64);
    let sigma_next = strength * (1.0 - (i + 1) as f64 / n as f64);
    gesso_eval_t {
        timestep: 1000.0 * sigma, sigma, sigma_next, c_sample: 1.0, c_history: [sigma_next - sigma, 0.0, 0.0, 0.0],
        n_history: 1, ..Default::default()
    }
}

extern "C" fn plan(_: *mut c_void, call: *const gesso_call_t, request: *const gesso_schedule_request_t,
                   evals: *mut gesso_eval_t, capacity: u32, count: *mut u32) -> Status {
    let (n, strength) = unsafe { ((*request).n_steps, (*request).strength) };
    if n == 0 || !(strength > 0.0 && strength <= 1.0) {
        let error = unsafe { call.as_ref() }.map_or(null_mut(), |c| c.error);
        return fail(error, INVALID_ARGUMENT, "expected a step at least, and a strength above 0, at most 1");
    }
    unsafe { *count = n };
    for i in 0..n.min(capacity) {
        unsafe { *evals.add(i as usize) = eval(i, n, strength) };
    }
    OK
}

extern "C" fn train_point(_: *mut c_void, _: *const c_void, request: *const gesso_schedule_request_t, u: f64,
                          timestep: *mut f64, sigma: *mut f64, weight: *mut f64) -> Status {
    unsafe {
        *sigma = (*request).strength * (1.0 - u);
        *timestep = 1000.0 * *sigma;
        *weight = 1.0;
    }
    OK
}

static SCHEDULER: gesso_scheduler_t = gesso_scheduler_t {
    struct_size: std::mem::size_of::<gesso_scheduler_t>() as u32, prediction: VELOCITY, plan, train_point,
};
static INTERFACES: Names = Names([c!("gesso.scheduler/1"), null()]);
static DESCRIPTION: gesso_component_desc_t = gesso_component_desc_t {
    struct_size: std::mem::size_of::<gesso_component_desc_t>() as u32, n_params: 0,
    id: c!("org.example.my_plugin.scheduler"), kind: c!("scheduler"), name: c!("MyPlugin"), version: c!("1.0.0"),
    summary: c!("Even steps from noise to picture"), interfaces: &INTERFACES.0, params: null(),
};

extern "C" fn prepare(_: *mut c_void, _: *const c_void, _: *const c_void) -> Status { OK }
extern "C" fn get_interface(_: *mut c_void, id: *const c_char) -> *const c_void {
    if text(id) == "gesso.scheduler/1" { &SCHEDULER as *const _ as *const c_void } else { null() }
}
extern "C" fn destroy(this: *mut c_void) { drop(unsafe { Box::from_raw(this as *mut gesso_component_t) }); }

extern "C" fn create(_: *const gesso_plugin_t, _: *const gesso_host_t, id: *const c_char,
                     out: *mut *mut gesso_component_t, error: *mut gesso_error_t) -> Status {
    guard(error, || {
        if text(id) != text(DESCRIPTION.id) {
            return Err((NOT_FOUND, format!("org.example.my_plugin has no component \"{}\"", text(id))));
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
    struct_size: std::mem::size_of::<gesso_plugin_t>() as u32, abi_minor: ABI_MINOR, id: c!("org.example.my_plugin"),
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
            return Err((INCOMPATIBLE, format!("org.example.my_plugin needs ABI 1.{ABI_MINOR}, this host speaks 1.{minor}; \
                                               update the host")));
        }
        unsafe { *plugin = &PLUGIN };
        Ok(())
    })
}
