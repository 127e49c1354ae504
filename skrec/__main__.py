"""The command line: ``python -m skrec demo``."""

import argparse

from skrec import __version__


def main(arguments=None):
    """Run a command of ``python -m skrec``.

    Parameters
    ----------
    arguments : list of str, default=None
        What follows ``python -m skrec``; taken from the command line by default.
    """
    parser = argparse.ArgumentParser(
        prog="python -m skrec", description="Recommenders that are scikit-learn estimators."
    )
    parser.add_argument("--version", action="version", version=f"skrec {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="from a log of interactions to a tuned model, on generated data",
        description="Split a generated log, search over samplers, evaluate the best model beside baselines, recommend.",
    )
    demo.add_argument(
        "--plot", default="skrec-demo.png", metavar="PATH", help="file for the figure (default: %(default)s)"
    )
    demo.add_argument("--seed", type=int, default=0, help="seed of the data and of the models (default: %(default)s)")
    options = parser.parse_args(arguments)

    from skrec._demo import run

    run(plot=options.plot, seed=options.seed)


if __name__ == "__main__":
    main()
