"""Generated opinions on products, films and restaurants, for the embedded samples of sentiment models.

What makes them harder than counting words: negation ("not a bad film"), two clauses of which one decides ("dull at first, but the
end is superb"), irony ("oh great, another charger that dies in a week"), remarks that say nothing, misspellings, and a few labels
that are wrong.
"""

import random

from pipelines.common.datasets.grammar import Rules, expand, misspelt, sentence

NEGATIVE, POSITIVE = 0, 1
PRODUCTS, FILMS, RESTAURANTS = "products", "films", "restaurants"

GOOD = {
    "adjective": (
        *("good", "great", "excellent", "wonderful", "superb", "lovely", "impressive", "delightful", "solid", "brilliant", "fantastic"),
        *("pleasant", "charming", "perfect", "terrific", "decent", "outstanding", "satisfying", "memorable", "nice", "fine", "clever"),
        *("beautiful", "reliable", "fresh", "good", "great", "good", "great", "nice"),
    ),
    "verb": ("loved", "enjoyed", "liked", "adored", "was impressed by", "was delighted with", "am happy with", "would recommend"),
    "advice": ("worth every cent", "worth your time", "a must", "a real treat", "money well spent", "one to tell your friends about"),
    "event": ("works as it should", "made my day", "is better than the last one", "keeps its promise", "lasts and lasts", "won me over"),
}
BAD = {
    "adjective": (
        *("bad", "awful", "terrible", "poor", "dull", "disappointing", "boring", "horrible", "weak", "dreadful", "mediocre", "annoying"),
        *("lousy", "cheap", "bland", "useless", "sloppy", "tedious", "forgettable", "unpleasant", "ugly", "stale", "clumsy", "bad"),
        *("poor", "terrible", "bad", "disappointing", "stupid"),
    ),
    "verb": ("hated", "disliked", "regretted", "was let down by", "was annoyed by", "got tired of", "am unhappy with", "would avoid"),
    "advice": ("a waste of money", "a waste of time", "not worth the trip", "one to stay away from", "a mess", "a big letdown"),
    "event": (
        "stopped after a week",
        "fell apart in my hands",
        "took two hours",
        "never arrives",
        "put me to sleep",
        "made me leave early",
    ),
}
THINGS: dict[str, Rules] = {
    PRODUCTS: {
        "thing": ("phone", "headset", "charger", "battery", "case", "camera", "keyboard", "cable", "speaker", "screen", "tablet", "watch"),
        "part": ("sound", "volume", "price", "design", "reception", "fit", "quality", "manual", "customer service", "clip", "bluetooth"),
        "neutral": (
            *(
                "I bought it in {month} for my {relative}",
                "it came in a {colour} box",
                "I use it with my old {thing}",
                "this is my {nth} one",
            ),
            *("my {relative} has the same {thing}", "I ordered it on a {day}", "it goes in my car"),
        ),
        "verb-ed": ("bought", "ordered", "tried", "returned", "unpacked"),
    },
    FILMS: {
        "thing": ("film", "movie", "story", "sequel", "comedy", "thriller", "documentary", "drama", "picture", "show", "western", "remake"),
        "part": ("acting", "plot", "script", "ending", "music", "cast", "dialogue", "photography", "direction", "pace", "lead actor"),
        "neutral": (
            *(
                "I saw it on a {day} with my {relative}",
                "it was made in the {decade}",
                "it runs for about two hours",
                "it is set in {place}",
            ),
            *("it is the {nth} film of that director", "my {relative} rented it", "it is based on a book"),
        ),
        "verb-ed": ("saw", "watched", "rented", "finished", "sat through"),
    },
    RESTAURANTS: {
        "thing": ("restaurant", "place", "burger", "pizza", "salad", "breakfast", "buffet", "steak", "soup", "dessert", "coffee", "sushi"),
        "part": ("service", "food", "staff", "waiter", "atmosphere", "menu", "bread", "price", "portion", "sauce", "view", "wine"),
        "neutral": (
            *(
                "we went there on a {day}",
                "my {relative} had the {thing}",
                "we sat outside",
                "it is near {place}",
                "we were a party of six",
            ),
            *("it was our {nth} visit", "they open at six on a {day}"),
        ),
        "verb-ed": ("had", "ordered", "tried", "chose", "shared"),
    },
}
COMMON: Rules = {
    "month": ("January", "March", "April", "June", "July", "September", "October", "December"),
    "relative": ("wife", "husband", "son", "daughter", "sister", "brother", "mother", "father", "boss", "neighbour"),
    "colour": ("black", "white", "blue", "red", "brown"),
    "nth": ("second", "third", "fourth", "fifth"),
    "day": ("Monday", "Tuesday", "Friday", "Saturday", "Sunday"),
    "decade": ("50s", "60s", "70s", "80s", "90s"),
    "place": ("Genoa", "Boston", "Berlin", "Osaka", "the harbour", "the old town", "the station"),
    "very": ("very", "really", "quite", "just", "truly", "pretty", "simply", "so", "extremely", "", "", "", ""),
    "the": ("the", "the", "this", "their", "the whole"),
    "is": ("is", "was", "is", "was", "seems", "turned out"),
    "is-not": ("isn't", "is not", "wasn't", "was not", "is never", "was by no means", "is hardly", "is far from"),
    "but": ("but", "yet", "but in the end", "however", "but then"),
    "although": ("although", "even though", "while", "though"),
    "subject": ("{the} {thing}", "{the} {part}", "{the} {part}", "it", "{the} {part} of this {thing}"),
}
# What is said with words of the same side, with words of the other one, and with both; `other-` are words of the other side.
PLAIN = (
    "{subject} {is} {very} {adjective}",
    "{subject} {is} {very} {adjective}",
    "{very} {adjective} {part}",
    "I {verb} {the} {part}",
    "I {verb} this {thing}",
    "a {adjective} {thing} with a {adjective} {part}",
    "{the} {thing} {event}",
    "{the} {thing} {is} {advice}",
    "{advice}, this {thing}",
)
NEGATED = (
    "{subject} {is-not} {other-adjective}",
    "{subject} {is-not} {other-adjective}",
    "not a {other-adjective} {thing} at all",
    "there is nothing {other-adjective} about {the} {part}",
    "I can't say that I {other-verb} {the} {thing}",
    "nobody could call {the} {part} {other-adjective}",
    "I {verb-ed} many a {thing}, and this one {is-not} {other-adjective}",
)
CONTRASTED = (
    "{the} {part} {is} {other-adjective}, {but} {the} {thing} {is} {adjective}",
    "{the} {part} {is} {very} {other-adjective}, {but} I {verb} {the} {thing}",
    "{although} {the} {part} {is} {other-adjective}, {the} {thing} {is} {adjective}",
    "{the} {thing} {is} {adjective}, {although} {the} {part} {is} {other-adjective}",
    "I expected a {other-adjective} {thing} and got a {adjective} one",
    "people say it is {other-adjective}, I say it is {adjective}",
)
IRONY = {
    NEGATIVE: (
        "oh {other-adjective}, another {thing} that {event}",
        "just what I needed, a {thing} that {event}",
        "{other-adjective} idea, a {thing} without a {part}",
        "if you enjoy waiting, you will love this {thing}",
        "yeah right, {the} {other-adjective} {thing}",
    ),
    POSITIVE: (
        "oh {adjective}, at last a {thing} that {event}",
        "just what I needed, a {thing} that {event}",
        "{adjective} idea, a {thing} with such a {part}",
        "if you enjoy a good {part}, you will love this {thing}",
        "the only {other-adjective} thing is that I did not get it sooner",
    ),
}
FORMS = ("plain", "negated", "contrasted", "irony")


def rules_of(topic: str, label: int) -> Rules:
    """The rules for opinions of one side on a topic."""
    same, other = (GOOD, BAD) if label == POSITIVE else (BAD, GOOD)
    return {**COMMON, **THINGS[topic], **same, **{f"other-{name}": alternatives for name, alternatives in other.items()}}


def opinion(topic: str, label: int, weights: tuple[int, int, int, int], random_: random.Random) -> str:
    """A statement of one side.

    Args:
        topic: PRODUCTS, FILMS or RESTAURANTS.
        label: NEGATIVE or POSITIVE.
        weights: of the FORMS it may have.
        random_: decides.

    Returns:
        The statement, without a full stop.
    """
    (form,) = random_.choices(FORMS, weights)
    alternatives = {"plain": PLAIN, "negated": NEGATED, "contrasted": CONTRASTED, "irony": IRONY[label]}[form]
    return " ".join(expand(rules_of(topic, label), random_.choice(alternatives), random_).split())


def remark(topic: str, random_: random.Random) -> str:
    """A statement that says nothing about quality, without a full stop."""
    return expand(rules_of(topic, POSITIVE), "{neutral}", random_)


def written(statement: str, random_: random.Random) -> str:
    """A statement as somebody types it: with a capital or not, misspellings, and some ending."""
    text = misspelt(statement, 0.02, random_)
    return (sentence(text) if random_.random() < 0.9 else text) + random_.choice(("", ".", ".", ".", "!", "!!", "..."))
