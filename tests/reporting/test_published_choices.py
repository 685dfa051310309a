"""What is kept of ensembles that were chosen on val, beside those that were published before."""

import json

import pytest

from ferlab.reporting import published_choices


@pytest.fixture
def chosen(tmp_path):
    """A function of a name and further lines that gives an ensemble's directory, as ferlab.ensemble leaves it."""

    def made(name, views="flip"):
        folder = tmp_path / "outputs" / "ensembles" / name
        folder.mkdir(parents=True)
        member = {"name": "a", "path": str(tmp_path / "outputs" / "a"), "weights_sha256": "0" * 64}
        told = {"name": name, "members": [member], "specialists": [member | {"name": "b", "path": "elsewhere/b"}]}
        (folder / "members.json").write_text(json.dumps(told))
        (folder / "members.csv").write_text(f"name,weight,{views}\na,1.0,0.7\n")
        (folder / "choices.csv").write_text(f"tta,method\n{views},mean\n")
        return folder

    return made


def into(folder, contents):
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_members_lie_in_outputs(tmp_path, chosen):
    found = published_choices.files(tmp_path / "results", {"x": chosen("x")})
    assert found.keys() == {"ensembles/x/members.json", "ensembles/members.csv", "ensembles/choices.csv"}
    told = json.loads(found["ensembles/x/members.json"])
    assert [one["path"] for one in (*told["members"], *told["specialists"])] == ["outputs/a", "outputs/b"]


def test_tables_gather_ensembles_of_other_views_and_replace_the_same(tmp_path, chosen):
    results = tmp_path / "results"
    into(results, published_choices.files(results, {"x": chosen("x"), "y": chosen("y", views="views12")}))
    expected = "ensemble,name,weight,flip,views12\nx,a,1.0,0.7,\ny,a,1.0,,0.7\n"
    assert (results / "ensembles/members.csv").read_text() == expected
    (tmp_path / "outputs/ensembles/x").rename(tmp_path / "old")
    into(results, published_choices.files(results, {"x": chosen("x", views="none")}))
    assert (results / "ensembles/choices.csv").read_text() == "ensemble,tta,method\ny,views12,mean\nx,none,mean\n"


def test_without_ensembles_no_file_changes(tmp_path):
    assert published_choices.files(tmp_path, {}) == {}
