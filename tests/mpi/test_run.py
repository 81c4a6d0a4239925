"""`freeal run` with an encoder whose trainer is an MPI job of two ranks. FREEAL_BIN is the folder of the programs;
argument: mpirun."""
import os
import pathlib
import shlex
import shutil
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).parent
PROGRAMS = pathlib.Path(os.environ["FREEAL_BIN"])
TEST = "test_encoder.Whole.test_labels_model_and_prediction"


def wrap(folder, mpirun):
    """The programs once more, but a coordinator's trainer is started by mpirun."""
    for program in PROGRAMS.glob("freeal-*"):
        if program.name != "freeal-trainer":
            (folder / program.name).symlink_to(program)
    # It looks for the others in the folder that it is in.
    shutil.copy(PROGRAMS / "freeal", folder / "freeal")
    trainer = shlex.quote(str(PROGRAMS / "freeal-trainer"))
    (folder / "freeal-trainer").write_text(f"""#!/bin/sh
case "$*" in
*--coordinator*) ;;
*) exec {trainer} "$@" ;;
esac
export OMPI_MCA_btl=self,vader OMPI_MCA_plm=isolated
exec {shlex.quote(mpirun)} -np 2 --oversubscribe --allow-run-as-root --bind-to none {trainer} "$@"
""")
    (folder / "freeal-trainer").chmod(0o755)


with tempfile.TemporaryDirectory(prefix="freeal-mpi-") as name:
    wrap(pathlib.Path(name), sys.argv[1])
    os.environ["FREEAL_BIN"] = name
    sys.path.insert(0, str(HERE.parent / "system"))
    result = unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromName(TEST))
sys.exit(not (result.wasSuccessful() and result.testsRun))
