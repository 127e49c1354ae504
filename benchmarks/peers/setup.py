"""Create the virtual environment in which the benchmarks run skrec beside its peers.

    python benchmarks/peers/setup.py PATH [--keras] [--torch]

implicit, Cornac and LightFM (built from source: a C compiler is needed) are installed at the pinned versions of
requirements.txt, and this checkout of skrec in editable mode, so that one process can alternate between all of them.
"""

import argparse
import os
import subprocess
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]

CHECK = """
import warnings
warnings.filterwarnings("ignore")
import cornac, implicit, lightfm, lightfm._lightfm_fast_openmp, skrec
print("cornac", cornac.__version__, "| implicit", implicit.__version__, "| lightfm-next", lightfm.__version__,
      "with OpenMP | skrec", skrec.__version__, "from", list(skrec.__path__)[0])
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="folder of the virtual environment, created when it is not there")
    parser.add_argument("--keras", action="store_true", help="TensorFlow and Keras too, for bench_quality.py --keras")
    parser.add_argument("--torch", action="store_true", help="PyTorch and DeepCTR-Torch too, for bench_ctr.py")
    options = parser.parse_args()

    if not (options.path / "pyvenv.cfg").exists():
        venv.create(options.path, with_pip=True)
    python = options.path.resolve() / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    requirements = ["-r", HERE / "requirements.txt"]
    if options.keras:
        requirements += ["-r", HERE / "requirements-keras.txt"]
    subprocess.run([*install, *requirements, "-e", CHECKOUT], check=True)
    if options.torch:
        subprocess.run([*install, "-r", HERE / "requirements-torch.txt"], check=True)
        # Its pins are of another age; it needs tqdm, scikit-learn and PyTorch, and runs with those of today.
        subprocess.run([*install, "--no-deps", "deepctr-torch==0.3.0"], check=True)
    subprocess.run([python, "-c", CHECK], check=True, cwd=HERE)
    print(f"Now for example:\n    {python} {HERE.parent / 'bench_throughput.py'} --quick")


if __name__ == "__main__":
    main()
