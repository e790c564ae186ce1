//! The steps of a proof by cases that are about places in lists, each checked by itself.

use super::list_places::ListPlaces;
use super::sources::ReadSources;
use claims::{CaseChoice, ListPlace, ReadChoice};
use histories::{KeyId, OpId};

/// A position after all elements of a list.
const AFTER_THE_LIST: usize = usize::MAX;

/// Whether the appends of a transaction may stand at a place. What was not appended to the list may stand after it, from which nothing
/// follows: another edge needs that the transaction wrote the key.
pub(super) fn can_be_placed(sources: &ReadSources<'_>, place: ListPlace) -> bool {
    sources.possible_starts(place.key, place.writer).contains(&place.start)
}

/// The first and the last position at which the appends of a transaction may begin if the choices hold.
pub(super) fn narrowest_span(
    sources: &ReadSources<'_>,
    assumed: &[CaseChoice],
    key: KeyId,
    writer: OpId,
) -> (usize, usize) {
    let assumed = assumed.iter().find_map(|choice| match choice {
        CaseChoice::Placed(place) if (place.key, place.writer) == (key, writer) => Some(place.start),
        _ => None,
    });
    let position = |start: Option<usize>| start.unwrap_or(AFTER_THE_LIST);
    if let Some(start) = assumed {
        return (position(start), position(start));
    }
    let starts = sources.possible_starts(key, writer);
    match (starts.first(), starts.last()) {
        (Some(&first), Some(&last)) => (position(first), position(last)),
        // It can stand nowhere. That is a contradiction of its own, and nothing is concluded from it here.
        _ => (0, AFTER_THE_LIST),
    }
}

/// Whether choices contradict each other by what a list is: each transaction stands at one place, two do not overlap, some transaction
/// stands at each position where one must, and a read ends where the transaction that it read from does.
pub(super) fn is_evident(sources: &ReadSources<'_>, assumed: &[CaseChoice]) -> bool {
    let mut placed: Vec<ListPlace> = Vec::new();
    let mut elsewhere: Vec<ListPlace> = Vec::new();
    for choice in assumed {
        match choice {
            CaseChoice::Placed(place) => placed.push(*place),
            CaseChoice::NotPlaced(place) => elsewhere.push(*place),
            _ => {}
        }
    }
    let pairs =
        placed.iter().enumerate().flat_map(|(at, one)| placed[..at].iter().map(move |other| (one, other)));
    pairs.into_iter().any(|(one, other)| exclude_each_other(sources, one, other))
        || elsewhere.iter().any(|place| is_nowhere(sources, place, &elsewhere))
        || is_position_left_out(sources, &placed, &elsewhere)
        || assumed.iter().any(|choice| contradicts_read(sources, choice, &placed, &elsewhere))
        || elsewhere.iter().any(|place| is_only_source(sources, place))
}

/// One transaction at two places, or two transactions at one position.
fn exclude_each_other(sources: &ReadSources<'_>, one: &ListPlace, other: &ListPlace) -> bool {
    if one.key != other.key {
        return false;
    }
    if one.writer == other.writer {
        return one.start != other.start;
    }
    let range = |place: &ListPlace| {
        Some((place.start?, place.start? + sources.count_appended(place.writer, place.key)))
    };
    matches!((range(one), range(other)), (Some(a), Some(b)) if a.0 < b.1 && b.0 < a.1)
}

/// Whether the transaction of a place stands at none of the places at which it may.
fn is_nowhere(sources: &ReadSources<'_>, place: &ListPlace, elsewhere: &[ListPlace]) -> bool {
    let starts = sources.possible_starts(place.key, place.writer);
    starts.into_iter().all(|start| elsewhere.contains(&ListPlace { start, ..*place }))
}

/// Whether no transaction begins at a position at which one must: at a boundary that every division of the list has, or where a
/// transaction ends that is placed.
fn is_position_left_out(sources: &ReadSources<'_>, placed: &[ListPlace], elsewhere: &[ListPlace]) -> bool {
    let is_left_out = |key: KeyId, places: &ListPlaces, at: usize| {
        let mut writers = places.writers_from(at);
        writers.all(|writer| elsewhere.contains(&ListPlace { key, writer, start: Some(at) }))
    };
    let at_boundary = elsewhere.iter().any(|place| {
        let places = sources.places_in(place.key).zip(place.start);
        places.is_some_and(|(places, at)| places.must_begin_at(at) && is_left_out(place.key, places, at))
    });
    at_boundary
        || placed.iter().any(|place| {
            let Some((places, start)) = sources.places_in(place.key).zip(place.start) else { return false };
            let end = start + sources.count_appended(place.writer, place.key);
            places.is_within(end) && is_left_out(place.key, places, end)
        })
}

/// Whether a choice about a read of a list contradicts where its source stands.
fn contradicts_read(
    sources: &ReadSources<'_>,
    choice: &CaseChoice,
    placed: &[ListPlace],
    elsewhere: &[ListPlace],
) -> bool {
    let (read, is_from) = match choice {
        CaseChoice::ReadFrom(read) => (read, true),
        CaseChoice::NotReadFrom(read) => (read, false),
        _ => return false,
    };
    let ReadChoice { reader, place, writer } = *read;
    let (Some((key, length)), Some(writer)) = (sources.length_of_read(reader, place), writer) else {
        return false;
    };
    let Some(start) = length.checked_sub(sources.count_appended(writer, key)) else { return false };
    let there = ListPlace { key, writer, start: Some(start) };
    if is_from { elsewhere.contains(&there) } else { placed.contains(&there) }
}

/// Whether a read ends where the appends of this transaction would end, and only it can have left the list so.
fn is_only_source(sources: &ReadSources<'_>, place: &ListPlace) -> bool {
    let Some((places, start)) = sources.places_in(place.key).zip(place.start) else { return false };
    let length = start + sources.count_appended(place.writer, place.key);
    let writers = sources.writers_at_length(place.key, length);
    // No transaction reads what it appends only later.
    let is_only = |reader: &OpId| {
        let mut others = writers.iter().filter(|writer| *writer != reader);
        others.next() == Some(&place.writer) && others.next().is_none()
    };
    places.readers_of_length(length).iter().any(is_only)
}
