"""Names, places and phrases that people on the farm write. Plain data; drawn by ``meanings.py``.

``LATIN_*`` fits SQL Server's varchar under code page 1252 (umlauts, accents, the euro sign);
``WORLD_*`` needs nvarchar (other alphabets, emoji).
"""

# ruff: noqa: RUF001 - letters that look alike are the point
from __future__ import annotations

LATIN_FIRST_NAMES = (
    *("Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Henry", "Isabel", "Jack", "Karen"),
    *("Liam", "Maya", "Noah", "Olivia", "Paul", "Quinn", "Rachel", "Sam", "Tara", "Uma", "Victor"),
    *("Jürgen", "Zoë", "Søren", "François", "José", "María", "Renée", "Björn", "Chloé", "João", "Siân"),
    *("Mary-Jane", "Núria", "Håkon", "Günther", "Inès", "Aisha", "Kenji", "Priya", "Dmitri", "Wei"),
)
LATIN_LAST_NAMES = (
    *("Smith", "Johnson", "Garcia", "Miller", "Davis", "Wilson", "Nguyen", "Patel", "Kowalski", "Rossi"),
    *("Müller", "Weiß", "Schröder", "O'Brien", "D'Angelo", "Núñez", "Fernández", "Lefèvre", "Ångström"),
    *("van der Berg", "de la Cruz", "Smith-Jones", "Strauß", "Østergård", "Peña", "Tanaka", "Kim", "Li"),
    *("Ivanov", "Haddad", "Okafor", "Novak", "Hansen", "Dubois", "Silva", "Young", "Baker", "Turner"),
)
WORLD_PEOPLE = (
    *("王小明", "田中 花子", "김민준", "Łukasz Żółkiewski", "Иван Петров", "Ελένη Παπαδοπούλου"),
    *("Dvořák Tomáš", "محمد علي", "नेहा शर्मा", "Ștefan Țepeș", "Nguyễn Văn An", "𠮷田 健"),
)
COMPANIES = (
    *("Acme Robotics", "Blue Ridge Hobby", "Cascade Cycling Co.", "Delta Drones", "Emerald City Cosplay"),
    *("Fjord & Fell Outdoor", "Großmann Modellbau GmbH", "Harbor Labs", "Ivy Street Dental", "Juniper Toys"),
    *("Kraft & Söhne", "Lakeside Prosthetics", "Maker's Mercantile", "North Star Schools", "Orbit Optics"),
    *("Pixel & Pine", "Café Königin", "Rivière Design", "Summit Drone Works", "Tidewater Marine"),
)
WORLD_COMPANIES = ("株式会社プリント", "Żubr Druk 3D Sp. z o.o.", "深圳三维科技有限公司", "ООО «Принтер»")
STREETS = (
    *("Main St", "Oak Ave", "Maple Dr", "Cedar Ln", "Elm St", "Market St", "Hillcrest Rd", "Park Blvd"),
    *("Bahnhofstraße", "Königsallee", "Rue de l'Église", "Calle Mayor", "Mill Road", "Harbour View"),
)
SECOND_LINES = ("Apt 4B", "Suite 200", "Unit 7", "Floor 3", "c/o Maker Space", "Building C, Dock 2")
# city, state, postal code, country
PLACES = (
    ("Portland", "OR", "97201", "USA"),
    ("Austin", "TX", "78701", "USA"),
    ("Fort Wayne", "IN", "46802", "USA"),
    ("Brooklyn", "NY", "11201", "USA"),
    ("Coeur d'Alene", "ID", "83814", "USA"),
    ("San José", "CA", "95112", "USA"),
    ("Cambridge", "MA", "02139", "USA"),
    ("Boulder", "CO", "80302", "USA"),
    ("Seattle", "WA", "98101", "USA"),
    ("Raleigh", "NC", "27601", "USA"),
    ("Montréal", "QC", "H2Y 1C6", "Canada"),
    ("Vancouver", "BC", "V6B 1A1", "Canada"),
    ("München", "BY", "80331", "Germany"),
    ("Zürich", "ZH", "8001", "Switzerland"),
    ("Lyon", "ARA", "69002", "France"),
    ("Göteborg", "VG", "411 03", "Sweden"),
    ("Leeds", "West Yorkshire", "LS1 4DY", "United Kingdom"),
)
PLACE_WEIGHTS = (*([6] * 10), 2, 2, 2, 1, 1, 1, 2)
STAFF = (  # first name, last name, account type
    ("Brandan", "Baker", "admin"),
    ("Jürgen", "Weiß", "operator"),
    ("Maya", "Patel", "operator"),
    ("Sam", "Okafor", "operator"),
    ("Zoë", "Lefèvre", "admin"),
)
STAFF_NAMES = tuple(f"{first} {last}" for first, last, _ in STAFF)
VENDORS = (
    *("Bambu Lab", "Polymaker", "Prusament", "Overture 3D", "eSUN", "Hatchbox", "Uline", "McMaster-Carr"),
    *(
        "Fiberlogy",
        "Spectrum Filaments",
        "ColorFabb",
        "Würth Industrie",
        "Amazon Business",
        "BASF Forward AM",
    ),
    *("3DJake", "Misumi", "KB3D", "MatterHackers", "DigiKey", "Proto-pasta", "FormFutura", "Kimya"),
)
CARRIERS = ("USPS", "UPS", "FedEx", "DHL", "OnTrac")
SERVICES = ("Priority Mail", "Ground Advantage", "UPS Ground", "FedEx Home Delivery", "DHL Express Worldwide")
TERMS = ("Net 30", "Net 15", "Due on receipt", "2/10 Net 30", "Prepaid")
LATIN_NOTES = (
    "Customer called, wants the logo facing up.",
    "Reprint: first layer lifted on the left corner.",
    "Please leave at the back door.",
    "Switched to the 0.6 mm nozzle, much faster.",
    "Dried the spool 8 h at 65 °C before printing.",
    "Price agreed by phone: 5 % off from 50 pieces.",
    "Gift – no invoice in the box, please!",
    "Checked with calipers: 19.98 × 20.02 × 20.00 mm.",
    "Für die Werkstatt, Abholung am Freitag.",
    "À livrer avant Noël.",
    "Supports left a mark on the underside; customer is fine with it.",
    "Use the textured plate. Don't use glue.",
    "2 pcs short, rest follows on Monday.",
    "Ref. project “Möbius”, budget €250.",
)
WORLD_NOTES = (
    *LATIN_NOTES,
    "Thank you so much!! 🎉🙏",
    "颜色请与上次一致。",
    "前回と同じ色でお願いします 🙇",
    "Печать идеальная, спасибо!",
    "Printer #3 is on fire 🔥 (not literally)",
    "Zażółć gęślą jaźń",
)
DESCRIPTIONS = (
    "Printed to order, layer height 0.2 mm.",
    "Keep dry and below 40 °C.",
    "Replaces the earlier revision.",
    "Colour may vary a little between batches.",
    "Für den Außenbereich geeignet.",
    "See the data sheet for temperatures.",
)
INSPECTIONS = (
    "All dimensions within ±0.1 mm.",
    "Slight stringing, within the limit sample.",
    "Seam visible at the back, accepted.",
    "Fit checked against the counterpart.",
)
BOOKINGS = (
    "Invoice paid by card",
    "Filament received",
    "Shipping label bought",
    "Sales tax for the month",
    "Correction of a typing error",
)
HAPPENINGS = (
    "Set by the nightly job.",
    "Changed by the customer in the portal.",
    "Confirmation sent by e-mail.",
    "Carrier picked up the parcel.",
)
REJECTIONS = (
    "Model is not manifold",
    "Larger than the largest build plate",
    "Walls thinner than 0.8 mm",
    "Material not available in this colour",
)
# Legal, and a trap for whoever moves them through text: each is put somewhere into the notes.
LATIN_TRAPS = (
    "",
    " ",
    "ends in three spaces   ",
    'She said "it\'s fine"; DROP TABLE quotes;--',
    r"C:\prints\new\table.gcode",
    r"\N",
    r"\.",
    "NULL",
    "tab\there, newline\nthere, both\r\nlines",
    "100 % of {braces} [brackets] 'quotes' \"double\" `ticks` $1 ?",
    "€ † ‰ Š Œ ž Ÿ – only in code page 1252",
)
WORLD_TRAPS = (
    *LATIN_TRAPS,
    "4-byte: 𝄞 👩‍🔧 🇩🇪 𠜎",
    "combining: e\u0301 is not é",
    "right to left: שלום \u200f",
    "zero width:\u200b\ufeff here",
)
