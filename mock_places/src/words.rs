//! What places are called. Everything here stands in JSON as it is: escapes are already made.

/// A kind of place, with what the service says of all of its kind.
#[derive(Debug)]
pub(crate) struct Kind {
    /// What names of this kind end in.
    pub(crate) nouns: [&'static str; 3],
    /// The icon's name.
    pub(crate) icon: &'static str,
    /// The icon's mask.
    pub(crate) pinlet: &'static str,
    /// The icon's background colour.
    pub(crate) colour: &'static str,
    /// The service's types, the most specific first.
    pub(crate) types: &'static [&'static str],
    /// Whether it has a price level.
    pub(crate) priced: bool,
}

/// All kinds of places.
pub(crate) const KINDS: [Kind; 10] = [
    Kind {
        nouns: ["Kitchen", "Grill", "Diner"],
        icon: "restaurant",
        pinlet: "restaurant",
        colour: "#FF9E67",
        types: &["restaurant", "food", "point_of_interest", "establishment"],
        priced: true,
    },
    Kind {
        nouns: ["Coffee House", "Tea Room", "Roasters"],
        icon: "cafe",
        pinlet: "cafe",
        colour: "#FF9E67",
        types: &["cafe", "store", "food", "point_of_interest", "establishment"],
        priced: true,
    },
    Kind {
        nouns: ["Hotel", "Inn", "Guest House"],
        icon: "lodging",
        pinlet: "hotel",
        colour: "#909CE1",
        types: &["lodging", "point_of_interest", "establishment"],
        priced: false,
    },
    Kind {
        nouns: ["Park", "Gardens", "Green"],
        icon: "park",
        pinlet: "tree",
        colour: "#4DB546",
        types: &["tourist_attraction", "park", "point_of_interest", "establishment"],
        priced: false,
    },
    Kind {
        nouns: ["School", "Academy", "College"],
        icon: "school",
        pinlet: "school",
        colour: "#7B9EB0",
        types: &["school", "point_of_interest", "establishment"],
        priced: false,
    },
    Kind {
        nouns: ["Market", "Outfitters", "Department Store"],
        icon: "shopping",
        pinlet: "shopping",
        colour: "#4B96F3",
        types: &["department_store", "clothing_store", "shoe_store", "store", "point_of_interest", "establishment"],
        priced: true,
    },
    Kind {
        nouns: ["Museum", "Collection", "Gallery"],
        icon: "museum",
        pinlet: "museum",
        colour: "#13B5C7",
        types: &["museum", "tourist_attraction", "point_of_interest", "establishment"],
        priced: false,
    },
    Kind {
        nouns: ["Hospital", "Clinic", "Medical Center"],
        icon: "hospital",
        pinlet: "hospital-H",
        colour: "#F88181",
        types: &["hospital", "health", "point_of_interest", "establishment"],
        priced: false,
    },
    Kind {
        nouns: ["Savings Bank", "Credit Union", "Exchange"],
        icon: "bank_dollar",
        pinlet: "bank-intl",
        colour: "#909CE1",
        types: &["bank", "finance", "point_of_interest", "establishment"],
        priced: false,
    },
    Kind {
        nouns: ["Agency", "Studio", "Workshop"],
        icon: "generic_business",
        pinlet: "generic",
        colour: "#7B9EB0",
        types: &["travel_agency", "general_contractor", "point_of_interest", "establishment"],
        priced: false,
    },
];

/// What ordinary names begin with.
pub(crate) const FIRST_NAMES: [&str; 16] = [
    "Harbour",
    "Old Mill",
    "Sunset",
    "Linden",
    "Copper",
    "North Star",
    "Willow",
    "Cobblestone",
    "Juniper",
    "Lighthouse",
    "Maple",
    "Redwood",
    "Silver",
    "Orchard",
    "Granite",
    "Bluebird",
];

/// Names that a careless reader of JSON stumbles over.
pub(crate) const AWKWARD_NAMES: [&str; 16] = [
    r"Smith \u0026 Sons",
    r#"The \"Blue\" Door"#,
    r"\u003cb\u003eBold\u003c/b\u003e Bakery",
    r#"\"results\" : [ { } ]"#,
    "Bar {null}",
    "Gallery [untitled], {2024}",
    "Pit Stop }]}",
    r"C:\\Games\\",
    r"Two\nLines",
    r"Tab\tand\/Slash",
    r"Sushi \ud83c\udf63 Go",
    "Pizza 🍕 Planet",
    "Caffè Müller’s Straße №7",
    "寿司処 さくら",
    "Ресторан «Волга»",
    "مقهى النيل",
];

/// Streets of a vicinity.
pub(crate) const STREETS: [&str; 10] = [
    "Main Street",
    "Harbour Road",
    "Alameda São João",
    "Mill Lane",
    "Rue de l'Église",
    "Station Road",
    "Marktplatz",
    "5th Avenue",
    "Västra Hamngatan",
    "Kings \\u0026 Queens Walk",
];

/// Towns of a vicinity and of a plus code.
pub(crate) const TOWNS: [&str; 8] =
    ["Springfield", "Riverside", "Fairview", "Neustadt", "Saint-Étienne", "Lakewood", "Øvre Dal", "Greenville"];

/// Who took a photo.
pub(crate) const AUTHORS: [&str; 5] = ["A Google User", "Ana Novák", "J. Doe", "Wei \\u0026 Lin", "Old Mill Inn"];
