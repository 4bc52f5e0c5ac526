//! Where there is nothing to find, coarsely.

use crate::location::{DEGREE, Location};

/// Boxes of whole degrees that hold most inhabited land: south, north, west, east.
///
/// A coarse rule on purpose: near a coast land and sea are mixed up, small islands and the polar
/// regions count as sea. It only has to be stable, and roughly as rare as land really is.
const LAND: [[i64; 4]; 30] = [
    [54, 71, -166, -141], // Alaska
    [49, 70, -141, -56],  // Canada
    [31, 49, -124, -76],  // the contiguous states
    [25, 45, -98, -70],   // the east of them
    [17, 32, -115, -97],  // Mexico
    [8, 22, -97, -83],    // Central America
    [17, 23, -84, -65],   // the Greater Antilles
    [18, 23, -161, -154], // Hawaii
    [-5, 12, -80, -50],   // South America, north
    [-25, -2, -77, -38],  // its middle
    [-40, -20, -73, -48], // its south
    [-55, -40, -75, -65], // Patagonia
    [63, 67, -24, -13],   // Iceland
    [50, 59, -10, 2],     // the British Isles
    [36, 44, -10, 4],     // Iberia
    [42, 55, -4, 40],     // Europe, west to east
    [36, 47, 7, 45],      // Italy to the Caucasus
    [55, 71, 5, 60],      // Scandinavia to the Urals
    [45, 73, 40, 140],    // Russia and Kazakhstan
    [52, 69, 140, 180],   // its far east
    [12, 40, 35, 60],     // the Middle East
    [5, 36, -17, 45],     // Africa, north
    [-35, 5, 9, 41],      // Africa, south
    [-25, -12, 43, 50],   // Madagascar
    [8, 45, 60, 90],      // Central Asia and India
    [10, 45, 90, 122],    // China and Indochina
    [31, 46, 122, 146],   // Korea and Japan
    [-10, 19, 95, 127],   // the Malay Archipelago and the Philippines
    [-44, -2, 113, 154],  // Australia and New Guinea
    [-47, -34, 166, 179], // New Zealand
];

/// Whether a location counts as sea.
pub(crate) fn is_ocean(location: Location) -> bool {
    let (latitude, longitude) = (location.latitude(), location.longitude());
    !LAND.iter().any(|[south, north, west, east]| {
        (south * DEGREE..=north * DEGREE).contains(&latitude) && (west * DEGREE..=east * DEGREE).contains(&longitude)
    })
}

#[cfg(test)]
mod tests {
    use super::is_ocean;
    use crate::location::Location;

    #[test]
    fn cities_are_on_land_and_the_high_seas_are_not() {
        let ocean = |text: &str| is_ocean(text.parse::<Location>().expect("a location"));
        for city in [
            "34.06893,-118.445127", // Los Angeles
            "40.7128,-74.006",      // New York
            "-23.55,-46.63",        // São Paulo
            "51.5074,-0.1278",      // London
            "30.0444,31.2357",      // Cairo
            "-26.2041,28.0473",     // Johannesburg
            "28.6139,77.209",       // Delhi
            "35.6762,139.6503",     // Tokyo
            "-33.8688,151.2093",    // Sydney
        ] {
            assert!(!ocean(city), "{city}");
        }
        for sea in ["0,-30", "30,-50", "-40,-130", "40,-150", "-40,80", "0,70", "-80,10", "90,0"] {
            assert!(ocean(sea), "{sea}");
        }
    }

    #[test]
    fn about_a_third_of_the_globe_is_land() {
        // Equal steps of the latitude's sine are equal areas.
        let mut land = 0;
        for row in 0..100 {
            let sine = -1.0 + (f64::from(row) + 0.5) / 50.0;
            let latitude = sine.asin().to_degrees();
            for column in 0..100 {
                let text = format!("{latitude:.5},{}", f64::from(column) * 3.6 - 180.0);
                land += u32::from(!is_ocean(text.parse::<Location>().expect("a location")));
            }
        }
        assert!((2_300..4_000).contains(&land), "{land} of 10000");
    }
}
