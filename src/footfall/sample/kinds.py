"""The kinds of places in the sample: how they are named, when they are open, what is said of them."""

from typing import NamedTuple

from footfall.sample import hours


class Kind(NamedTuple):
    """Places of a category that resemble each other.

    A name pattern's `{a}` stands for one of FIRST_WORDS, its `{b}` for one of the kind's own words.
    """

    category: str
    #: how many of the places are of it
    places: int
    patterns: tuple[str, ...]
    words: tuple[str, ...]
    #: what the description begins with
    offers: tuple[str, ...]
    #: opening hours to choose from
    weeks: tuple[str, ...]


def _words(listed: str) -> tuple[str, ...]:
    return tuple(listed.split(", "))


#: Plants, colours and weather of the coast; together with a kind's own words they make no existing brand.
FIRST_WORDS = _words(
    "Acorn, Alder, Bramble, Brass, Briar, Cedar, Cinder, Clover, Coyote, Crooked, Driftwood, Dusky, Ember, "
    "Fennel, Fern, Fogline, Foxglove, Gable, Gilded, Hazel, Hollow, Indigo, Juniper, Kestrel, Lantern, "
    "Lupine, Madrone, Manzanita, Marigold, Mossy, Nettle, Nutmeg, Opal, Paper, Pepperwood, Plover, Poppy, "
    "Quarry, Quiet, Rambling, Russet, Saltwind, Sandpiper, Sidehill, Slate, Sorrel, Tangle, Tawny, Thistle, "
    "Tidewater, Umber, Velvet, Wander, Whistling, Willow, Yarrow"
)

KINDS = (
    Kind(
        "cafe",
        22,
        ("{a} {b} Coffee", "{b} & {a} Coffee", "{a} {b} Roasters"),
        _words("Kettle, Saucer, Grinder, Tamper, Demitasse, Carafe, Burr, Crema, Ladle, Stovetop"),
        ("Single-origin coffee and warm pastries", "Espresso, pour-over and a good window seat"),
        hours.COFFEE,
    ),
    Kind(
        "cafe",
        13,
        ("{a} {b} Bakery", "{b} & {a} Bakehouse", "{a} {b} Patisserie"),
        _words("Crumb, Crust, Loaf, Rye, Oven, Morning Bun, Rolling Pin, Almond"),
        ("Naturally leavened bread, buns and filter coffee", "Croissants, quiche and cake by the slice"),
        hours.COFFEE,
    ),
    Kind(
        "cafe",
        10,
        ("{a} {b} Tea", "The {a} {b} Tea Room", "{b} & {a} Tea House"),
        _words("Steep, Teapot, Oolong, Leaf, Chrysanthemum, Hibiscus, Boba"),
        ("Loose-leaf teas, milk tea and small sweets", "Tea by the pot, scones and mochi"),
        hours.COFFEE,
    ),
    Kind(
        "restaurant",
        9,
        ("{a} {b}", "{a} & {b}", "The {a} {b} Kitchen"),
        _words("Table, Hearth, Orchard, Fig, Skillet, Artichoke, Medlar, Granary"),
        ("Seasonal Californian cooking from nearby farms", "Wood-fired vegetables, fish and local wines"),
        hours.DINNER,
    ),
    Kind(
        "restaurant",
        9,
        ("Taquería {b}", "Cocina {b}", "Antojitos {b}"),
        _words(
            "Tres Jacarandas, La Golondrina Azul, El Nopal Contento, Los Dos Tíos, Doña Chayo, Sol y Maíz, "
            "El Comalito, La Abuela Nacha, Cielo Oaxaqueño, Rincón del Mole"
        ),
        ("Handmade tortillas, tacos and aguas frescas", "Moles, tlayudas and a bright green salsa"),
        hours.ALL_DAY,
    ),
    Kind(
        "restaurant",
        8,
        ("Osteria {b}", "Trattoria {b}", "Pizzeria {b}"),
        _words("Fiordaliso, Della Nebbia, Tre Cipressi, Zia Ornella, Il Pettirosso, Rosmarino, Del Gabbiano"),
        (
            "Handmade pasta, pizza and a short list of Italian wines",
            "Blistered pizza, pasta and bitter salads",
        ),
        hours.DINNER,
    ),
    Kind(
        "restaurant",
        9,
        ("{a} {b} Noodle House", "{a} {b} Dumplings", "{a} {b} Dim Sum"),
        _words("Heron, Plum, Bamboo, Moon Gate, Lotus, Carp, Persimmon, Crane"),
        ("Hand-pulled noodles and soup dumplings", "Dumplings, greens with garlic and clay pots"),
        hours.ALL_DAY,
    ),
    Kind(
        "restaurant",
        7,
        ("Phở {b}", "Bánh Mì {b}", "Quán {b}"),
        _words("Cô Ba Lài, Sông Xanh, Hoa Sen Nhỏ, Bà Năm, Mưa Chiều, Lá Chuối, Chị Tư"),
        ("Long-simmered phở, rice plates and crisp rolls", "Phở, bánh mì and iced coffee"),
        hours.ALL_DAY,
    ),
    Kind(
        "restaurant",
        7,
        ("Izakaya {b}", "{b} Ramen", "{b} Soba"),
        _words("Yuki no Ma, Tsubame, Kawasemi, Aozora, Hinoki Yokochō, Mikazuki, Kogarashi"),
        ("Noodles in rich broth, pickles and cold beer", "Charcoal skewers, noodles and small plates"),
        hours.DINNER,
    ),
    Kind(
        "restaurant",
        6,
        ("{a} {b}", "{b} & {a}"),
        _words("Tiffin, Masala Room, Tandoor, Dosa Counter, Chaat Corner, Thali"),
        ("Curries, dosas and tandoori breads", "Chaat, thalis and cardamom tea"),
        hours.ALL_DAY,
    ),
    Kind(
        "restaurant",
        5,
        ("{a} {b}", "The {a} {b}"),
        _words("Injera House, Banchan House, Satay House, Khachapuri House, Mezze House, Jollof House"),
        ("Family recipes from far away, served on big plates", "A short menu of dishes to share"),
        hours.ALL_DAY,
    ),
    Kind(
        "bar",
        12,
        ("The {a} {b}", "{a} & {b}"),
        _words("Coupe, Jigger, Tumbler, Nightjar, Barrel Key, Siren, Magpie, Foghorn"),
        ("Well-made cocktails and low light", "Old classics, new bitters and a long bar"),
        hours.EVENING,
    ),
    Kind(
        "bar",
        9,
        ("{a} {b} Taproom", "{a} {b} Beer Hall"),
        _words("Hop, Mash Tun, Growler, Malt, Firkin, Cask"),
        ("Twenty local beers on tap", "House ales, hazy and otherwise, and pretzels"),
        hours.TAPROOM,
    ),
    Kind(
        "bar",
        7,
        ("{a} {b} Wine Bar", "The {a} {b} Pub"),
        _words("Cork, Decanter, Lamplighter, Terrace, Vine, Snug"),
        ("Small growers by the glass, cheese and olives", "Wine, cider and a quiz on Tuesdays"),
        hours.EVENING,
    ),
    Kind(
        "retail",
        10,
        ("{a} {b} Books", "{a} {b} Records"),
        _words("Page, Margin, Endpaper, Footnote, B-Side, Runout, Folio"),
        ("New and used, chosen by people who care", "Crates and shelves worth an afternoon"),
        hours.SHOP,
    ),
    Kind(
        "retail",
        11,
        ("{a} {b} Outfitters", "{a} {b} Clothing", "{a} {b} Vintage"),
        _words("Thread, Selvage, Button, Bobbin, Trail, Anorak"),
        ("Clothes that last, with free mending", "Second-hand finds and local makers"),
        hours.SHOP,
    ),
    Kind(
        "retail",
        10,
        ("{a} {b} Plants", "{a} {b} Home", "{a} {b} Gifts"),
        _words("Trowel, Terrarium, Hearthside, Parcel, Windowsill, Ribbon"),
        ("Plants, pots and gifts, with patient advice", "Useful and beautiful things for the home"),
        hours.SHOP,
    ),
    Kind(
        "retail",
        6,
        ("{a} {b} Cycles", "{a} {b} Toys"),
        _words("Spoke, Freewheel, Kite, Marble, Pinwheel"),
        ("New and second-hand, with repairs while you wait", "Built to be repaired, and repaired here"),
        hours.SHOP,
    ),
    Kind(
        "retail",
        8,
        ("{a} {b} Market", "{a} {b} Grocery"),
        _words("Basket, Harvest, Pantry, Crate, Melon"),
        ("Fruit, vegetables and a deli counter", "Groceries from nearby farms, flowers by the door"),
        hours.GROCERY,
    ),
    Kind(
        "hair",
        12,
        ("{a} {b} Salon", "{a} {b} Hair Studio"),
        _words("Mirror, Curl, Fringe, Ringlet, Comb, Tress"),
        ("Cuts, colour and curls", "Gentle colour and unhurried cuts"),
        hours.SALON,
    ),
    Kind(
        "hair",
        8,
        ("{a} {b} Barbers", "The {a} {b} Barbershop"),
        _words("Razor, Strop, Clipper, Shears"),
        ("Cuts, fades and hot-towel shaves", "Three chairs, no appointments"),
        hours.SALON,
    ),
    Kind(
        "gym",
        9,
        ("{a} {b} Fitness", "{a} {b} Strength"),
        _words("Kettlebell, Barbell, Anvil, Tempo, Stride"),
        ("Free weights, rowers and coaching", "Small classes and plenty of racks"),
        hours.GYM_ALL_NIGHT,
    ),
    Kind(
        "gym",
        8,
        ("{a} {b} Climbing", "{a} {b} Yoga", "{a} {b} Pilates"),
        _words("Breath, Balance, Summit, Handhold, Plank"),
        ("Classes from beginner to advanced", "A bright studio with classes all day"),
        hours.STUDIO,
    ),
)

#: A second sentence about a place, by category.
TOUCHES = {
    "cafe": (
        "Dogs are welcome on the patio.",
        "Bring your own cup and save a quarter.",
        "The line moves faster than it looks.",
        "No laptops at weekends.",
    ),
    "restaurant": (
        "Walk-ins are welcome, the counter is the best seat.",
        "Book ahead on Fridays.",
        "Large parties are a pleasure.",
        "The vegetarian half of the menu is the better one.",
        "Everything can be had to go.",
    ),
    "bar": (
        "Happy hour until seven.",
        "Live music on Thursdays.",
        "The back garden is heated.",
        "Last orders half an hour before closing.",
    ),
    "retail": (
        "Local delivery by bicycle.",
        "Gift wrapping is free.",
        "Orders by phone are picked up the same day.",
        "Owned by its staff.",
    ),
    "hair": ("Gift cards at the counter.", "Students get a tenth off.", "Coffee is on the house."),
    "gym": (
        "The first visit is free.",
        "Showers, towels and lockers included.",
        "No contracts, monthly only.",
    ),
}
