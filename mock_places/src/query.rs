//! One request's parameters.

use std::borrow::Cow;

use crate::location::{Location, ParameterError, Radius};
use crate::refusal::Refusal;

/// A search that may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// Where to search.
    pub(crate) location: Location,
    /// How far.
    pub(crate) radius: Radius,
}

impl Query {
    /// Checks decoded parameters: the key first, as the service does. Where a parameter is there
    /// twice the first counts; unknown ones are ignored.
    pub(crate) fn check<'url>(
        parameters: impl Iterator<Item = (Cow<'url, str>, Cow<'url, str>)>,
        required_key: Option<&str>,
    ) -> Result<Self, Refusal> {
        let (mut key, mut location, mut radius) = (None, None, None);
        let mut page_token = false;
        for (name, value) in parameters {
            match name.as_ref() {
                "key" => _ = key.get_or_insert(value),
                "location" => _ = location.get_or_insert(value),
                "radius" => _ = radius.get_or_insert(value),
                "pagetoken" => page_token = true,
                _ => {}
            }
        }
        check_key(key.as_deref(), required_key)?;
        if page_token {
            return Err(Refusal::PageToken);
        }
        Ok(Self {
            location: required(location, ParameterError::Location)?,
            radius: required(radius, ParameterError::Radius)?,
        })
    }
}

fn check_key(key: Option<&str>, required: Option<&str>) -> Result<(), Refusal> {
    match (key, required) {
        (None | Some(""), _) => Err(Refusal::NoKey),
        (Some(key), Some(required)) if key != required => Err(Refusal::WrongKey),
        _ => Ok(()),
    }
}

fn required<T>(value: Option<Cow<'_, str>>, missing: ParameterError) -> Result<T, Refusal>
where
    T: std::str::FromStr<Err = ParameterError>,
{
    value.ok_or(missing).and_then(|text| text.parse()).map_err(Refusal::Parameter)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::Query;
    use crate::location::ParameterError;
    use crate::refusal::Refusal;

    fn check(parameters: &[(&'static str, &'static str)], key: Option<&str>) -> Result<(), Refusal> {
        let pairs = parameters.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(*value)));
        Query::check(pairs, key).map(|_| ())
    }

    const LOCATION: (&str, &str) = ("location", "34,-118");
    const RADIUS: (&str, &str) = ("radius", "500");
    const KEY: (&str, &str) = ("key", "secret");

    #[test]
    fn the_key_is_checked_first() {
        assert_eq!(check(&[LOCATION, RADIUS, KEY], None), Ok(()));
        assert_eq!(check(&[LOCATION, RADIUS, KEY], Some("secret")), Ok(()));
        assert_eq!(check(&[KEY], Some("other")), Err(Refusal::WrongKey));
        assert_eq!(check(&[("key", "")], None), Err(Refusal::NoKey));
        assert_eq!(check(&[], Some("other")), Err(Refusal::NoKey));
    }

    #[test]
    fn then_the_parameters() {
        let location = Err(Refusal::Parameter(ParameterError::Location));
        let radius = Err(Refusal::Parameter(ParameterError::Radius));
        assert_eq!(check(&[KEY, RADIUS], None), location);
        assert_eq!(check(&[KEY, RADIUS, ("location", "34")], None), location);
        assert_eq!(check(&[KEY, LOCATION], None), radius);
        assert_eq!(check(&[KEY, LOCATION, ("radius", "0")], None), radius);
        let further_page = [KEY, LOCATION, RADIUS, ("pagetoken", "x")];
        assert_eq!(check(&further_page, None), Err(Refusal::PageToken));
        let twice_and_unknown = [KEY, LOCATION, RADIUS, ("radius", "0"), ("keyword", "tea")];
        assert_eq!(check(&twice_and_unknown, None), Ok(()));
    }
}
