//! `steadfast collect`: receives spans over OTLP and writes them to a file. The receiver itself is in `recorder`.

use crate::args::CollectArgs;
use crate::exit::Exit;
use crate::output;
use crate::output_file::{refuse_existing, refuse_other_form};
use crate::report::layout::count_noun;
use crate::stream_spans::describe_left_out;
use crate::traces::{SPAN_BYTES_MAX, decode_received_spans};
use recorder::span_receiver::{ReceivedSpans, SpanFile, SpanReceiverSettings, receive_spans};
use recorder::{ListenTls, Stop};
use std::fs::File;

pub(crate) fn run_collect(args: &CollectArgs) -> Exit {
    match collect_spans(args) {
        Ok(received) => {
            summarize_spans(args, &received);
            if received.spans > 0 {
                return Exit::Holds;
            }
            let _ = std::fs::remove_file(&args.output);
            output::print_warning(
                "no spans came, so there is no file. Point the exporter of the application at the address of --listen",
            );
            Exit::Unknown
        }
        Err(why) => {
            output::print_error(&why);
            Exit::BadInput
        }
    }
}

fn collect_spans(args: &CollectArgs) -> Result<ReceivedSpans, String> {
    let shown = args.output.display();
    let tls = match (&args.certificate, &args.key) {
        (Some(certificate), Some(key)) => Some(ListenTls::load(certificate, key)?),
        _ => None,
    };
    refuse_other_form(&args.output, "spans are")?;
    // There is no --force here: spans cannot be collected again.
    if args.output.exists() {
        return Err(format!("{shown} exists. Pass another file"));
    }
    refuse_existing(&args.output, false, &[])?;
    let file = File::create_new(&args.output).map_err(|why| format!("failed to write {shown}: {why}"))?;
    let stop = Stop::default();
    let undoing = stop.request_on_signals();
    if let Some(duration) = args.duration {
        let stop = stop.clone();
        // The thread ends with the process, or does no harm: a second request to stop changes nothing.
        std::thread::spawn(move || {
            std::thread::sleep(duration);
            stop.request_stop();
        });
    }
    let settings = SpanReceiverSettings {
        listen: args.listen.clone(),
        tls,
        connections_max: usize::from(args.connections),
        body_bytes_max: args.body_size,
    };
    let sink = Box::new(SpanFile::new(file, SPAN_BYTES_MAX));
    let received = receive_spans(settings, sink, Box::new(decode_received_spans), stop, |address| {
        output::print_status(&format!(
            "collect: listening on {address} for OTLP over gRPC and HTTP; Ctrl-C ends it"
        ));
    });
    drop(undoing);
    received.map_err(|why| {
        let is_empty = std::fs::metadata(&args.output).is_ok_and(|about| about.is_file() && about.len() == 0);
        if is_empty && std::fs::remove_file(&args.output).is_ok() {
            return why.to_string();
        }
        format!("{why}\nThe spans so far are in {shown}, in whole lines.")
    })
}

/// Says what was received, and what was not.
fn summarize_spans(args: &CollectArgs, received: &ReceivedSpans) {
    let (spans, requests) = (received.spans as usize, received.requests as usize);
    output::print_status(&format!("{} in {}", count_noun(spans, "span"), count_noun(requests, "request")));
    for warning in describe_left_out(received) {
        output::print_warning(&warning);
    }
    if spans > 0 {
        let file = args.output.display();
        output::print_status(&format!("spans: {file}\ncheck: steadfast check {file} --map MAP.toml"));
    }
}
