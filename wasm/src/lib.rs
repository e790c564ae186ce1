//! The checker and the verifier of steadfast as WebAssembly.
//!
//! The module needs nothing but two functions of its host: a clock, and somebody to tell how far a check is. Everything else
//! goes through its memory. A host writes texts and bytes into memory that [`allocate`] gives it, and reads the answer where
//! [`result_pointer`] and [`result_length`] say. `npm/steadfast.mjs` does that, and no other file should.
//!
//! There is one thread. A check runs to its end or to its `--timeout`; who wants to end it earlier ends the instance.

mod memory;

use histories::format::{self, Input};
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;
use steadfast::embedded::{
    self, CheckRequest, EmbeddedCheck, EmbeddedRefusal, Rendering, verify_certificate,
};

#[link(wasm_import_module = "steadfast")]
unsafe extern "C" {
    /// Milliseconds since some moment.
    fn now_ms() -> f64;
    /// Tells the stage (UTF-8), the position and the extent within it.
    fn tell_progress(stage: *const u8, length: usize, done: f64, total: f64);
}

/// How a call ended.
#[repr(i32)]
enum Outcome {
    /// The answer is the result.
    Answered = 0,
    /// The options or the history are wrong; the result says what.
    BadInput = 1,
    /// There is no verdict because of a bug; the result says which.
    Internal = 2,
    /// The result says which claim of a certificate is not confirmed.
    NotConfirmed = 3,
    /// There is no verdict because the time limit ended while the history was being read.
    OutOfTime = 4,
}

thread_local! {
    /// What the last call has to say.
    static RESULT: RefCell<String> = const { RefCell::new(String::new()) };
    /// The history that was checked last, with its verdict.
    static CHECKED: RefCell<Option<EmbeddedCheck>> = const { RefCell::new(None) };
}

/// Gives the host memory for an argument. The call that the argument is for takes it back.
///
/// Returns null if there is no more memory.
#[unsafe(no_mangle)]
pub extern "C" fn allocate(length: usize) -> *mut u8 {
    let mut bytes = Vec::<u8>::new();
    if bytes.try_reserve_exact(length).is_err() {
        return std::ptr::null_mut();
    }
    bytes.resize(length, 0);
    Box::into_raw(bytes.into_boxed_slice()).cast()
}

/// Takes back what [`allocate`] gave.
///
/// # Safety
/// The pointer is that of [`allocate`], with the same length, and is not used any more.
unsafe fn take_bytes(pointer: *mut u8, length: usize) -> Vec<u8> {
    // SAFETY: by the contract, this is the boxed slice that `allocate` leaked.
    unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(pointer, length)) }.into_vec()
}

/// Where the result of the last call begins.
#[unsafe(no_mangle)]
pub extern "C" fn result_pointer() -> *const u8 {
    RESULT.with_borrow(|result| result.as_ptr())
}

/// How many bytes the result of the last call has.
#[unsafe(no_mangle)]
pub extern "C" fn result_length() -> usize {
    RESULT.with_borrow(String::len)
}

/// Prepares an instance: call this first, once.
#[unsafe(no_mangle)]
pub extern "C" fn start() {
    // SAFETY: the host's function takes nothing and touches no memory.
    embedded::set_host_clock(|| Duration::from_secs_f64(unsafe { now_ms() }.max(0.0) / 1e3));
    // The instance ends with the panic; the message stays in its memory.
    std::panic::set_hook(Box::new(|panic| {
        let what = panic.payload_as_str().unwrap_or("a panic");
        let place = panic.location().map(|place| format!(" ({}:{})", place.file(), place.line()));
        answer(internal_error(&format!("{what}{}", place.unwrap_or_default())));
    }));
}

/// Checks a history. `words` has the history's name and the options of `steadfast check`, each ended by a zero byte.
///
/// The result of a check that was answered is its verdict; [`render`] has the reports.
///
/// # Safety
/// Both arguments are memory of [`allocate`] with its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn check(
    history: *mut u8,
    history_length: usize,
    words: *mut u8,
    words_length: usize,
) -> i32 {
    // SAFETY: by the contract of this function.
    let (history, words) = unsafe { (take_bytes(history, history_length), take_bytes(words, words_length)) };
    CHECKED.set(None);
    let (name, options) = match split_words(&words) {
        Ok(split) => split,
        Err(why) => return answer((Outcome::BadInput, why)),
    };
    let request = match CheckRequest::from_options(options) {
        Ok(request) => request,
        Err(why) => return answer((Outcome::BadInput, why)),
    };
    let tell = Box::new(|stage: &str, done: u64, total: u64| {
        // SAFETY: the host reads the text before the call ends.
        unsafe { tell_progress(stage.as_ptr(), stage.len(), done as f64, total as f64) }
    });
    match request.check_input_and_tell(Input::Bytes(name, history), &Arc::default(), Some(tell)) {
        Ok(checked) => {
            let verdict = checked.verdict().to_owned();
            CHECKED.set(Some(checked));
            answer((Outcome::Answered, verdict))
        }
        Err(refusal) => answer(describe_refusal(refusal)),
    }
}

/// Renders the report of the last check. `form` is one of the numbers in `npm/steadfast.mjs`.
#[unsafe(no_mangle)]
pub extern "C" fn render(form: u32) -> i32 {
    let rendered = CHECKED.with_borrow(|checked| {
        let checked = checked.as_ref().ok_or("no history has been checked")?;
        let rendering = match form {
            0 => Rendering::Json,
            1 => Rendering::Page,
            2 => Rendering::Text,
            3 => Rendering::Junit,
            4 => Rendering::Sarif,
            5 => return Ok(checked.certificate()),
            _ => return Err("there is no such form"),
        };
        Ok(checked.render(rendering))
    });
    answer(match rendered {
        Ok(text) => (Outcome::Answered, text),
        Err(why) => (Outcome::BadInput, why.to_owned()),
    })
}

/// Verifies the claims of a certificate about a history, independently of the search. `words` is like that of [`check`]; of
/// its options only those for reading have an effect. The result has a line per claim.
///
/// # Safety
/// All arguments are memory of [`allocate`] with its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn verify(
    history: *mut u8,
    history_length: usize,
    words: *mut u8,
    words_length: usize,
    certificate: *mut u8,
    certificate_length: usize,
) -> i32 {
    // SAFETY: by the contract of this function.
    let (history, words, certificate) = unsafe {
        let history = take_bytes(history, history_length);
        (history, take_bytes(words, words_length), take_bytes(certificate, certificate_length))
    };
    CHECKED.set(None);
    answer(match verify_history(history, &words, certificate) {
        Ok((lines, true)) => (Outcome::Answered, lines),
        Ok((lines, false)) => (Outcome::NotConfirmed, lines),
        Err(refusal) => describe_refusal(refusal),
    })
}

fn verify_history(
    history: Vec<u8>,
    words: &[u8],
    certificate: Vec<u8>,
) -> Result<(String, bool), EmbeddedRefusal> {
    let (name, options) = split_words(words).map_err(EmbeddedRefusal::BadInput)?;
    let request = CheckRequest::from_options(options).map_err(EmbeddedRefusal::BadInput)?;
    let certificate = String::from_utf8(certificate)
        .map_err(|_| EmbeddedRefusal::BadInput("the certificate is not UTF-8".to_owned()))?;
    let read = format::read(Input::Bytes(name.clone(), history), &request.read_options(), &|_, _| {});
    let read = read.map_err(|problems| EmbeddedRefusal::BadInput(problems.to_string()))?;
    verify_certificate(&read.history, &name, &certificate)
}

/// The name of a history, and the options.
fn split_words(words: &[u8]) -> Result<(String, Vec<String>), String> {
    let text = std::str::from_utf8(words).map_err(|_| "the options are not UTF-8".to_owned())?;
    let mut words = text.split_terminator('\0').map(str::to_owned);
    let name = words.next().ok_or("pass the name of the history")?;
    Ok((name, words.collect()))
}

fn describe_refusal(refusal: EmbeddedRefusal) -> (Outcome, String) {
    match refusal {
        EmbeddedRefusal::BadInput(why) => (Outcome::BadInput, why),
        EmbeddedRefusal::OutOfTime(why) => (Outcome::OutOfTime, why),
        EmbeddedRefusal::Internal(why) => internal_error(&why),
    }
}

fn internal_error(why: &str) -> (Outcome, String) {
    let text = format!(
        "internal error: {why}. This is a bug of steadfast, not of the store: there is no verdict. Please report it with the \
         history."
    );
    (Outcome::Internal, text)
}

/// Keeps the result for the host.
fn answer((outcome, text): (Outcome, String)) -> i32 {
    RESULT.set(text);
    outcome as i32
}
