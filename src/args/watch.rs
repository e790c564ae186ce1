//! Options that say who is told what the judgement of a stream finds: commands, pages, monitoring systems.

use super::quantity;
use super::spans::SpanTarget;
use checker::measurements::{BurnRateRule, USUAL_RULES};
use std::str::FromStr;
use std::time::Duration;

#[derive(clap::Args, Clone, Debug)]
pub(super) struct WatchArgs {
    /// While the history is judged: run a shell command for each violation, with the violation as JSON on its standard input
    ///
    /// The command runs beside the judgement and does not delay it. The exit code of the command and the end of its output are
    /// printed on standard error. To call an address, use curl.
    #[arg(long, value_name = "COMMAND", help_heading = "While it is written")]
    on_violation: Option<String>,
    /// While the history is judged: run a shell command when an objective alerts and when the alert ends, with JSON on its input
    ///
    /// An alert begins when an objective of --objective burns its error budget too fast (--burn-rate). Availability, errors, latency
    /// and service-time are judged in this way.
    #[arg(long, value_name = "COMMAND", help_heading = "While it is written")]
    on_alert: Option<String>,
    /// Burn rates that alert, each over a long and a short window [default: 1h/5m=14.4,6h/30m=6,72h/6h=1]
    ///
    /// An objective alerts if, over both windows, the share of bad operations is at least so many times the share that it allows.
    /// The times are those of the events.
    #[arg(long, value_name = "LONG/SHORT=RATE,..", value_delimiter = ',', value_parser = parse_burn_rate, help_heading = "While it is written")]
    burn_rate: Vec<BurnRateRule>,
    /// Time after which a command of --on-violation or --on-alert is killed
    #[arg(long, value_name = "DURATION", value_parser = quantity::parse_duration, default_value = "60s", help_heading = "While it is written")]
    command_timeout: Duration,
    /// While the history is judged: serve figures for Prometheus under /metrics; a port alone is one of 127.0.0.1
    #[arg(long, value_name = "[HOST:]PORT", value_parser = parse_own_address, help_heading = "While it is written")]
    metrics: Option<String>,
    /// While the history is judged: serve a page for browsers; a port alone is one of 127.0.0.1
    #[arg(long, value_name = "[HOST:]PORT", value_parser = parse_own_address, help_heading = "While it is written")]
    live_page: Option<String>,
    /// While the history is judged: send each violation as a span to a collector, such as http://127.0.0.1:4318/v1/traces
    #[arg(long, value_name = "URL", value_parser = CollectorAddress::from_str, help_heading = "While it is written")]
    otlp_violations: Option<CollectorAddress>,
}

/// Who is told what the judgement of a stream finds.
#[derive(Clone, Debug)]
pub(crate) struct WatchPlan {
    /// The shell command for each violation.
    pub(crate) on_violation: Option<String>,
    /// The shell command for each alert.
    pub(crate) on_alert: Option<String>,
    /// The burn rates that alert; empty for the usual ones.
    pub(crate) burn_rates: Vec<BurnRateRule>,
    pub(crate) command_timeout: Duration,
    /// The addresses to listen on, `host:port`.
    pub(crate) metrics: Option<String>,
    pub(crate) live_page: Option<String>,
    /// Where violations are sent as spans.
    pub(crate) otlp_violations: Option<CollectorAddress>,
}

/// An OTLP/HTTP endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CollectorAddress {
    /// `HOST:PORT`.
    pub(crate) address: String,
    pub(crate) path: String,
}

impl FromStr for CollectorAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse()? {
            SpanTarget::Collector { address, path } => Ok(Self { address, path }),
            SpanTarget::File(_) => Err("pass an address such as http://HOST:PORT/v1/traces".to_owned()),
        }
    }
}

impl WatchArgs {
    pub(super) fn into_plan(self) -> WatchPlan {
        let Self { on_violation, on_alert, burn_rate, command_timeout, metrics, live_page, otlp_violations } =
            self;
        WatchPlan {
            on_violation,
            on_alert,
            burn_rates: burn_rate,
            command_timeout,
            metrics,
            live_page,
            otlp_violations,
        }
    }

    /// The first option that was given, if any.
    pub(super) fn given_option(&self) -> Option<&'static str> {
        let given = [
            (self.on_violation.is_some(), "--on-violation"),
            (self.on_alert.is_some(), "--on-alert"),
            (!self.burn_rate.is_empty(), "--burn-rate"),
            (self.metrics.is_some(), "--metrics"),
            (self.live_page.is_some(), "--live-page"),
            (self.otlp_violations.is_some(), "--otlp-violations"),
        ];
        given.into_iter().find(|(given, _)| *given).map(|(_, name)| name)
    }
}

impl WatchPlan {
    /// The burn rates that alert.
    pub(crate) fn alert_rules(&self) -> &[BurnRateRule] {
        if self.burn_rates.is_empty() { &USUAL_RULES } else { &self.burn_rates }
    }

    /// Rejects options about alerts, because there is no objective that could alert.
    pub(crate) fn reject_alerts_without_objectives(&self) -> Result<(), String> {
        let given = [(self.on_alert.is_some(), "--on-alert"), (!self.burn_rates.is_empty(), "--burn-rate")];
        match given.into_iter().find(|(given, _)| *given) {
            Some((_, option)) => Err(format!(
                "{option} is about objectives that a stream can be judged by. Pass --objective as well, such as availability=99.9%"
            )),
            None => Ok(()),
        }
    }
}

/// The most short windows that a long one may have.
const WINDOW_RATIO_MAX: i64 = 1_000;

/// Parses two windows and a burn rate: `1h/5m=14.4`.
fn parse_burn_rate(typed: &str) -> Result<BurnRateRule, String> {
    let form = "pass LONG/SHORT=RATE, such as 1h/5m=14.4";
    let (windows, rate) = typed.split_once('=').ok_or(form)?;
    let (long, short) = windows.split_once('/').ok_or(form)?;
    let span = |text: &str| {
        let span = quantity::parse_duration(text.trim()).map_err(|why| format!("{text:?}: {why}"))?;
        i64::try_from(span.as_nanos()).map_err(|_| format!("{text:?}: pass a time below 292 years"))
    };
    let (long_ns, short_ns) = (span(long)?, span(short)?);
    let rate: f64 = rate.trim().parse().map_err(|_| form)?;
    if short_ns == 0 || short_ns > long_ns || long_ns / short_ns > WINDOW_RATIO_MAX {
        return Err(format!(
            "the short window must be shorter than the long one, by a factor of at most {WINDOW_RATIO_MAX}"
        ));
    }
    if !rate.is_finite() || rate <= 0.0 {
        return Err("the burn rate must be a number above 0".to_owned());
    }
    Ok(BurnRateRule { long_ns, short_ns, rate })
}

/// Reads a port, which is then one of the loopback address, or a host and a port.
pub(super) fn parse_own_address(typed: &str) -> Result<String, String> {
    if typed.parse::<u16>().is_ok() {
        return Ok(format!("127.0.0.1:{typed}"));
    }
    match typed.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok() => {
            Ok(typed.to_owned())
        }
        _ => Err("pass a port such as 9464, or HOST:PORT such as 0.0.0.0:9464".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A port alone must not open the figures to the network.
    #[test]
    fn a_port_alone_is_one_of_this_machine() {
        for (typed, read) in [
            ("9464", "127.0.0.1:9464"),
            ("0", "127.0.0.1:0"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:80", "[::1]:80"),
            ("host:1", "host:1"),
        ] {
            assert_eq!(parse_own_address(typed).as_deref(), Ok(read));
        }
        for wrong in ["", ":80", "host", "70000", "http://host:80", "host:80/path"] {
            assert!(parse_own_address(wrong).is_err(), "{wrong}");
        }
    }

    /// The default that the help names is the one that is used.
    #[test]
    fn a_burn_rate_has_two_windows() {
        let usual: Vec<_> = ["1h/5m=14.4", "6h/30m=6", "72h/6h=1"].into_iter().map(parse_burn_rate).collect();
        assert_eq!(usual, USUAL_RULES.map(Ok));
        for wrong in
            ["", "1h=14", "1h/5m", "5m/1h=14", "1h/0s=1", "1h/5m=0", "1h/5m=inf", "1h/1s=2", "x/5m=1"]
        {
            assert!(parse_burn_rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_collector_has_an_address() {
        let read: CollectorAddress = "http://127.0.0.1:4318".parse().expect("an address");
        assert_eq!((read.address.as_str(), read.path.as_str()), ("127.0.0.1:4318", "/v1/traces"));
        for wrong in ["spans.json", "https://collector", ""] {
            assert!(wrong.parse::<CollectorAddress>().is_err(), "{wrong}");
        }
    }
}
