from tests.unit.conftest import Run
def test_x(run_program: Run) -> None:
    r = run_program()
    for x in r.everything: print(x.type, x.name, x.parent, x.dependencies, x.provider)
    assert 0
