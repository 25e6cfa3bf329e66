"""Forms of pages as frameworks write them, and of pages that nobody should write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statefall.load.answers import Headers, HttpAnswer, HttpRequest, UnreadableAnswer
from statefall.load.forms import MOST_CHARACTERS, form, forms

URL = "https://shop.example.com/account/login?next=%2F"


def fields(controls: str) -> dict[str, str | list[str]]:
    return form(f"<form>{controls}</form>").fields


@pytest.mark.parametrize(
    ("controls", "found"),
    [
        ('<input type="hidden" name="csrfmiddlewaretoken" value="a&amp;b">', {"csrfmiddlewaretoken": "a&b"}),
        ("<INPUT NAME=user>", {"user": ""}),
        ("<input name=a value=1 disabled>", {}),
        ("<input value=1>", {}),
        ("<input type=checkbox name=a><input type=checkbox name=b checked>", {"b": "on"}),
        (
            "<input type=checkbox name=a value=1 checked><input type=checkbox name=a value=2 checked>",
            {"a": ["1", "2"]},
        ),
        ("<input type=radio name=a value=1><input type=radio name=a value=2 checked>", {"a": "2"}),
        ("<input type=file name=a><input type=reset name=b><input type=image name=c>", {}),
        ("<select name=a><option>One  two<option value=2>x</select>", {"a": "One two"}),
        ("<select name=a><option value=1>x<option value=2 selected>y</select>", {"a": "2"}),
        ("<select name=a><option value='' disabled>choose<option value=2>y</select>", {"a": "2"}),
        (
            "<select name=a multiple><option value=1 selected><option value=2 selected></select>",
            {"a": ["1", "2"]},
        ),
        ("<select name=a multiple><option value=1></select>", {}),
        ("<select name=a></select>", {}),
        ("<textarea name=a>\n\nx <b>y</b> &lt;</textarea>", {"a": "\nx <b>y</b> <"}),
        ("<textarea name=a><input name=b></textarea>", {"a": "<input name=b>"}),
        ("<button name=go value=1>Go</button><button name=stop>Stop</button>", {"go": "1"}),
        (
            "<button type=button name=no>x</button><input type=submit name=submit value='Log in'>",
            {"submit": "Log in"},
        ),
        ("<fieldset disabled><input name=a></fieldset><fieldset><input name=b></fieldset>", {"b": ""}),
        ("<!-- <input name=a> --><script>'<input name=b>'</script>", {}),
        ("<![if IE]><input name=a><![endif]>", {"a": ""}),
        ("<form><input name=a>", {"a": ""}),  # a form within a form is none
    ],
)  # fmt: skip
def test_what_a_browser_would_send(controls: str, found: dict[str, str | list[str]]) -> None:
    assert fields(controls) == found


def test_a_control_outside_may_name_its_form() -> None:
    page = (
        "<form id=f><input name=a></form><input name=b value=2 form=f><form id=g><input name=c form=f></form>"
    )
    assert [one.fields for one in forms(page)] == [{"a": "", "b": "2", "c": ""}, {}]


PAGE = """<form action="/search"><input name="q"></form>
<form id="login" name="in" method="POST" action="?a=1"><input name="user"></form>
<form id="out" method="post" action="../logout"></form>"""


def answer_with(text: str, status: int = 200) -> HttpAnswer:
    request = HttpRequest("GET", URL, "/account/login?next=%2F")
    return HttpAnswer(status, Headers(), text.encode(), request)


def test_actions_are_whole_urls() -> None:
    assert [(one.method, one.action) for one in forms(PAGE, URL)] == [
        ("GET", "https://shop.example.com/search"),
        ("POST", "https://shop.example.com/account/login?a=1"),
        ("POST", "https://shop.example.com/logout"),
    ]
    assert form("<form method=post>", url=URL).action == URL


@pytest.mark.parametrize("which", ["login", "in", "?a=1", 1, "https://shop.example.com/account/login?a=1"])
def test_a_form_is_found_by_id_name_action_or_place(which: str | int) -> None:
    assert form(answer_with(PAGE), which).id == "login"


def test_the_only_form_or_the_only_posted_one_needs_no_name() -> None:
    assert form("<form id=a></form>").id == "a"
    assert form("<form id=a></form><form id=b method=post></form>").id == "b"


@pytest.mark.parametrize("which", [None, "other", 3, -1])
def test_a_form_that_is_not_there_is_a_clear_error(which: str | int | None) -> None:
    with pytest.raises(
        UnreadableAnswer, match=r"/account/login\S* \(answered 500\) has 3 forms and none is"
    ) as error:
        form(answer_with(PAGE, 500), which)
    assert "login (POST https://shop.example.com/account/login?a=1)" in str(error.value)


def test_a_page_without_a_form_is_a_clear_error() -> None:
    with pytest.raises(UnreadableAnswer, match="the page has no form"):
        form("<p>Not found</p>")
    with pytest.raises(UnreadableAnswer, match="not searched"):
        form("x" * (MOST_CHARACTERS + 1))


TAGS = [
    "<form>",
    "</form>",
    "<form action='http://['>",
    "<select name=a>",
    "<option",
    " value=1>",
    "</select>",
    "<textarea name=b>",
    "</textarea",
    "<![x",
    "<!",
    "<!--",
    "-->",
    "<input name=c ",
    "checked",
    ">",
    "&#x110000;",
    "&amp",
    "<script>",
    "<?",
    "</",
    "\x00",
    "é",
]


@given(pieces=st.lists(st.sampled_from(TAGS) | st.text(max_size=5), max_size=25))
def test_any_page_has_forms_or_none(pieces: list[str]) -> None:
    try:
        found = forms("".join(pieces), URL)
    except UnreadableAnswer:
        return
    assert all(one.method in ("GET", "POST") for one in found)
