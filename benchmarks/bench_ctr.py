"""CTRRanker beside DeepCTR-Torch and a torch factorisation machine on Frappe, beside scikit-learn on MovieLens 100K.

    python benchmarks/bench_ctr.py [--data frappe ml-100k] [--seeds 5] [--threads 2] [--quick]
    python benchmarks/bench_ctr.py --search [--only "skrec fm" "torch FM"]

*Frappe.* All train on the 57,722 rows of the published validation file less a random tenth (`fit` holds it out in
skrec, as many rows are cut off for the peers), stop when its log loss has not improved for 3 epochs, keep the best
epoch, and are judged on the 28,860 test rows: AUC, log loss, and seconds of fitting with `--threads` threads.
Embeddings of 10, hidden layers of 256 and 128, and batches of 1024 rows are the same for all. DeepCTR's are best after
one or two epochs and get worse; skrec goes on to a much lower loss, and "quick" is what it reaches in three epochs.
`--search` chooses learning rate, penalty and dropout of each contestant, for the peers also Adam or AdaGrad, from grids
that are no smaller for the peers, by the log loss of a tenth of those rows (one seed), and writes ctr_settings.json;
test is never looked at. The peer of "dcn" is DCN with matrices (v2). "ECE after" is the expected calibration error,
over the test rows, of skrec's models after the recipe for known users: isotonic regression on a tenth of the rows that
the model was fitted without.

*MovieLens 100K.* Rating >= 4 or not, from user, item, genres, age, occupation and hour. Rows in order of time: the
first 80 % train, the last 20 % test, most of whose users are new. AUC, per-user AUC, log loss and expected calibration
error, without and with the recipe: CalibratedClassifierCV with a sigmoid, folds of users and ensemble=False.

Needs `python benchmarks/peers/setup.py PATH --torch` for the peers; without it skrec and scikit-learn run alone.
"""

import argparse
import itertools
import json
import sys
import time
import types
import warnings
from pathlib import Path

import common
import numpy as np

SETTINGS = Path(__file__).resolve().parent / "ctr_settings.json"
WIDTH, HIDDEN, CROSSES, BATCH, PATIENCE, EPOCHS = 10, (256, 128), 2, 1024, 3, 60
PAIRS = {
    "skrec deepfm": "deepctr DeepFM",
    "skrec deepfm quick": "deepctr DeepFM",
    "skrec dcn": "deepctr DCN",
    "skrec dcn quick": "deepctr DCN",
    "skrec fm": "torch FM",
}
TARGET_SPEED_UP = 5.0


def grid(**axes):
    """Every combination of the axes."""
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


SKREC_DEEP = grid(learning_rate=[0.1, 0.2, 0.4], dense_learning_rate=[0.001, 0.004], l2=[1e-4], dropout=[0.0, 0.2])
SKREC_QUICK = [settings | {"max_iter": 3} for settings in SKREC_DEEP]
SKREC_FLAT = grid(learning_rate=[0.05, 0.1, 0.2, 0.3], l2=[1e-5, 3e-5, 1e-4], dropout=[0.0])
PEER_DEEP = [
    *grid(optimizer=["Adam"], learning_rate=[1e-3, 2e-3, 4e-3], l2=[1e-5, 1e-2], dropout=[0.2, 0.5]),
    *grid(optimizer=["Adagrad"], learning_rate=[0.01, 0.03], l2=[1e-5], dropout=[0.2, 0.5]),
]
PEER_FLAT = [
    *grid(optimizer=["Adam"], learning_rate=[5e-3, 1e-2, 2e-2], l2=[1e-5, 3e-5, 1e-4], dropout=[0.0]),
    *grid(optimizer=["Adagrad"], learning_rate=[0.1, 0.3], l2=[1e-5, 3e-5, 1e-4], dropout=[0.0]),
]
GRIDS = {
    "skrec deepfm": SKREC_DEEP,
    "skrec deepfm quick": SKREC_QUICK,
    "skrec dcn": SKREC_DEEP,
    "skrec dcn quick": SKREC_QUICK,
    "skrec fm": SKREC_FLAT,
    "skrec ffm": SKREC_FLAT,
    "skrec linear": SKREC_FLAT,
    "deepctr DeepFM": PEER_DEEP,
    "deepctr DCN": PEER_DEEP,
    "torch FM": PEER_FLAT,
}


def fit_skrec(interaction, codes, sizes, y, seed, threads, settings, ranker=None):
    """Fit and return a function that scores."""
    from skrec import CTRRanker
    from skrec.preprocessing import FeatureEncoder

    encoder = FeatureEncoder(categorical=list(range(codes.shape[1])), min_frequency=1)
    model = CTRRanker(
        WIDTH,
        interaction=interaction,
        hidden_layers=HIDDEN,
        n_cross_layers=CROSSES,
        batch_size=BATCH,
        n_iter_no_change=PATIENCE,
        early_stopping=True,
        tol=0.0,
        encoder=encoder,
        n_jobs=threads,
        random_state=seed,
        **{"max_iter": EPOCHS} | settings,
    ).fit(codes, y)
    return (lambda rows: model.predict_proba(rows)[:, 1]), model.n_iter_


def stop_early(train_epoch, predict, state, restore, validation):
    """Train until the validation log loss has not improved for PATIENCE epochs; keep the best."""
    from sklearn.metrics import log_loss

    rows, y = validation
    best, kept, stale, n_epochs = np.inf, None, 0, 0
    while stale < PATIENCE and n_epochs < EPOCHS:
        n_epochs += 1
        train_epoch()
        loss = log_loss(y, np.clip(predict(rows).astype(np.float64), 1e-7, 1 - 1e-7))
        if loss < best:
            best, kept, stale = loss, state(), 0
        else:
            stale += 1
    restore(kept)
    return n_epochs


def cut(codes, y, seed):
    """Hold a tenth out."""
    held = np.zeros(len(y), bool)
    held[np.random.default_rng(seed).permutation(len(y))[: len(y) // 10]] = True
    return codes[~held], y[~held], (codes[held], y[held])


def fit_deepctr(name, codes, sizes, y, seed, threads, settings):
    import copy

    import torch

    # The package asks PyPI for news of itself when it is imported; here it shall not.
    sys.modules.setdefault("requests", types.ModuleType("requests"))
    from deepctr_torch.inputs import SparseFeat
    from deepctr_torch.models import DCN, DeepFM

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    fields = [SparseFeat(f"f{f}", size, embedding_dim=WIDTH) for f, size in enumerate(sizes)]
    options = {
        "dnn_hidden_units": HIDDEN,
        "l2_reg_embedding": settings["l2"],
        "l2_reg_linear": settings["l2"],
        "dnn_dropout": settings["dropout"],
        "seed": seed,
    }
    if name == "DCN":
        model = DCN(fields, fields, cross_num=CROSSES, cross_parameterization="matrix", **options)
    else:
        model = DeepFM(fields, fields, **options)
    optimizer = getattr(torch.optim, settings["optimizer"])(model.parameters(), lr=settings["learning_rate"])
    model.compile(optimizer, "binary_crossentropy")

    def inputs(rows):
        return {f"f{f}": rows[:, f] for f in range(rows.shape[1])}

    codes, y, validation = cut(codes, y, seed)
    n = stop_early(
        lambda: model.fit(inputs(codes), y.astype(np.float32), batch_size=BATCH, epochs=1, verbose=0),
        lambda rows: model.predict(inputs(rows), batch_size=4096)[:, 0],
        lambda: copy.deepcopy(model.state_dict()),
        model.load_state_dict,
        validation,
    )
    return (lambda rows: model.predict(inputs(rows), batch_size=4096)[:, 0]), n


def fit_torch_fm(codes, sizes, y, seed, threads, settings):
    import copy

    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    starts = torch.as_tensor(np.append(0, np.cumsum(sizes[:-1])))

    class FM(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weights, self.embeddings = torch.nn.Embedding(sum(sizes), 1), torch.nn.Embedding(sum(sizes), WIDTH)
            self.intercept = torch.nn.Parameter(torch.zeros(1))
            torch.nn.init.zeros_(self.weights.weight)
            torch.nn.init.normal_(self.embeddings.weight, std=0.01)

        def forward(self, rows):
            v = self.embeddings(rows)
            pairs = 0.5 * (v.sum(1) ** 2 - (v**2).sum(1)).sum(1)
            return self.intercept + self.weights(rows)[:, :, 0].sum(1) + pairs

    model = FM()
    make = getattr(torch.optim, settings["optimizer"])
    optimizer = make(model.parameters(), lr=settings["learning_rate"], weight_decay=settings["l2"])
    loss = torch.nn.BCEWithLogitsLoss()
    codes, y, validation = cut(codes, y, seed)
    rows, targets = torch.as_tensor(codes) + starts, torch.as_tensor(y.astype(np.float32))

    def train_epoch():
        for some in torch.randperm(len(rows)).split(BATCH):
            optimizer.zero_grad()
            loss(model(rows[some]), targets[some]).backward()
            optimizer.step()

    def predict(given):
        with torch.no_grad():
            return torch.sigmoid(model(torch.as_tensor(given) + starts)).numpy()

    n = stop_early(train_epoch, predict, lambda: copy.deepcopy(model.state_dict()), model.load_state_dict, validation)
    return predict, n


def fit(contestant, *arguments):
    """Fit a contestant; arguments are codes, sizes, y, seed, threads, settings."""
    family, _, name = contestant.partition(" ")
    if family == "skrec":
        return fit_skrec(name.split()[0], *arguments)
    return fit_torch_fm(*arguments) if family == "torch" else fit_deepctr(name, *arguments)


def load_frappe():
    from skrec.datasets import fetch_frappe

    both = [fetch_frappe(subset=s, return_X_y=True, as_frame=False) for s in ("validation", "test")]
    (codes, y), (test_codes, test_y) = ((np.asarray(X, np.int64), np.asarray(y)) for X, y in both)
    sizes = (np.maximum(codes.max(axis=0), test_codes.max(axis=0)) + 1).tolist()
    return codes, y, test_codes, test_y, sizes


def calibrate(contestant, codes, sizes, y, *arguments):
    """Fit on nine tenths, and a regression of the target on what is predicted for the others."""
    from sklearn.isotonic import IsotonicRegression

    codes, y, (held_codes, held_y) = cut(codes, y, 2000)
    predict, _ = fit(contestant, codes, sizes, y, *arguments)
    honest = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(predict(held_codes), held_y)
    return lambda rows: honest.predict(predict(rows))


def have_torch():
    try:
        import torch  # noqa: F401
    except ImportError:
        return False
    return True


def search(threads, only):
    """Choose each contestant's settings on a tenth of the training rows."""
    from sklearn.metrics import log_loss

    codes, y, _, _, sizes = load_frappe()
    codes, y, (held_codes, held_y) = cut(codes, y, 1000)
    for contestant, candidates in GRIDS.items():
        if only and contestant not in only:
            continue
        best = np.inf
        for settings in candidates:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                predict, n = fit(contestant, codes, sizes, y, 0, threads, settings)
            loss = log_loss(held_y, np.clip(predict(held_codes).astype(np.float64), 1e-7, 1 - 1e-7))
            print(f"{contestant}: {settings} -> {loss:.4f} after {n} epochs", flush=True)
            if loss < best:
                best = loss
                chosen = json.loads(SETTINGS.read_text()) if SETTINGS.exists() else {}
                chosen[contestant] = settings
                SETTINGS.write_text(json.dumps(chosen, indent=1) + "\n")


def frappe(n_seeds, threads):
    from sklearn.metrics import log_loss, roc_auc_score

    from skrec.metrics import expected_calibration_error

    codes, y, test_codes, test_y, sizes = load_frappe()
    settings = json.loads(SETTINGS.read_text())
    contestants = [name for name in settings if name.startswith("skrec") or have_torch()]

    def contest(name, seed):
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            predict, n = fit(name, codes, sizes, y, seed, threads, settings[name])
        seconds = time.perf_counter() - start
        p = np.clip(predict(test_codes).astype(np.float64), 1e-7, 1 - 1e-7)
        quality = roc_auc_score(test_y, p), log_loss(test_y, p), expected_calibration_error(test_y, p)
        after = np.nan
        if name.startswith("skrec"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                honest = calibrate(name, codes, sizes, y, seed, threads, settings[name])
            after = expected_calibration_error(test_y, honest(test_codes))
        return (*quality, seconds, n, after)

    for name in contestants:
        if name.startswith("skrec"):
            fit(name, codes[:3000], sizes, y[:3000], 0, threads, settings[name] | {"learning_rate": 0.01})  # compiles
    results = {name: [] for name in contestants}
    for seed in range(n_seeds):
        for name in contestants if seed % 2 else contestants[::-1]:
            results[name].append(contest(name, seed))
            print(seed, name, np.round(results[name][-1], 4), flush=True)
    table = []
    for name in contestants:
        found = np.array(results[name])
        row = [f"{a:.4f} +- {b:.4f}" for a, b in zip(found.mean(axis=0)[:3], found.std(axis=0)[:3], strict=True)]
        after = "" if np.isnan(found[:, 5]).any() else f"{found[:, 5].mean():.4f} (at most {found[:, 5].max():.4f})"
        table.append([name, *row, after, f"{np.median(found[:, 3]):.2f}", f"{np.median(found[:, 4]):.0f}"])
    print(f"\nFrappe, {n_seeds} seeds, {threads} threads")
    common.print_table(["contestant", "AUC", "log loss", "ECE", "ECE after", "seconds", "epochs"], table)
    for ours, theirs in PAIRS.items():
        if theirs in results:
            a, b = np.array(results[ours]), np.array(results[theirs])
            gain, ratio = (a - b)[:, :2].mean(axis=0), np.median(b[:, 3] / a[:, 3])
            per_epoch = np.median(b[:, 3] / b[:, 4] / (a[:, 3] / a[:, 4]))
            print(
                f"{ours} less {theirs}: AUC {gain[0]:+.4f}, log loss {gain[1]:+.4f}; fitting {ratio:.1f} times faster "
                f"(target {TARGET_SPEED_UP}), an epoch {per_epoch:.1f} times"
            )
    return {name: np.array(found).tolist() for name, found in results.items()}


def load_movies():
    """Rows of ML-100K in order of time, with features of users and items beside them."""
    import pandas as pd

    from skrec.datasets import fetch_movielens_100k

    bunch = fetch_movielens_100k()
    log = bunch.data.assign(liked=(bunch.target >= 4).astype(int)).sort_values("timestamp", kind="stable")
    users = bunch.user_features
    items = bunch.item_features
    when = log["timestamp"]
    when = when if np.issubdtype(when.dtype, np.datetime64) else pd.to_datetime(when, unit="s")
    users = users if "user_id" in users.columns else users.reset_index()
    items = items if "item_id" in items.columns else items.reset_index()
    log = log.assign(hour=when.dt.hour).merge(users[["user_id", "age", "occupation"]], on="user_id", how="left")
    log = log.merge(items[["item_id", "genres"]], on="item_id", how="left")
    columns = ["user_id", "item_id", "genres", "age", "occupation", "hour"]
    return log[columns].astype({"occupation": str}), log["liked"].to_numpy()


def movie_models(seed, threads):
    """The contestants; genres go to scikit-learn's models as indicators, ids as one-hot or ordinal categories."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

    from skrec import CTRRanker
    from skrec.preprocessing import FeatureEncoder

    def genres():
        return CountVectorizer(analyzer=split_genres)

    encoder = FeatureEncoder(categorical=["user_id", "item_id", "occupation", "hour"], min_frequency=1)
    for interaction in ("linear", "fm", "ffm", "deepfm", "dcn"):
        yield (
            f"skrec {interaction}",
            CTRRanker(interaction=interaction, encoder=encoder, n_jobs=threads, random_state=seed),
        )
    yield (
        "logistic regression",
        make_pipeline(
            make_column_transformer(
                (OneHotEncoder(handle_unknown="ignore"), ["user_id", "item_id", "occupation", "hour"]),
                (StandardScaler(), ["age"]),
                (genres(), "genres"),
            ),
            LogisticRegression(C=0.1, max_iter=300),
        ),
    )
    # At most 255 categories: ids as the mean target of their rows, out of fold.
    yield (
        "HistGradientBoosting",
        make_pipeline(
            make_column_transformer(
                (TargetEncoder(random_state=seed), ["user_id", "item_id"]),
                (OrdinalEncoder(), ["occupation"]),
                ("passthrough", ["age", "hour"]),
                (genres(), "genres"),
                sparse_threshold=0,
            ),
            HistGradientBoostingClassifier(random_state=seed),
        ),
    )


def split_genres(text):
    """Genres of a film."""
    return text.split("|") if isinstance(text, str) else list(text)


def movies(n_seeds, threads):
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.metrics import log_loss, roc_auc_score
    from sklearn.model_selection import GroupKFold

    from skrec.metrics import average_user_roc_auc, expected_calibration_error

    X, y = load_movies()
    last = int(0.8 * len(X))
    train, test = slice(0, last), slice(last, None)
    folds = list(GroupKFold(3).split(X[train], y[train], groups=X["user_id"][train]))
    results = {}
    for seed in range(n_seeds):
        for name, model in movie_models(seed, threads):
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(X[train], y[train])
                seconds = time.perf_counter() - start
                after = CalibratedClassifierCV(model, cv=folds, ensemble=False).fit(X[train], y[train])
            p = model.predict_proba(X[test])[:, 1]
            q = after.predict_proba(X[test])[:, 1]
            per_user = average_user_roc_auc(y[test], p, users=X["user_id"][test])
            quality = roc_auc_score(y[test], p), per_user, log_loss(y[test], p), log_loss(y[test], q)
            errors = (expected_calibration_error(y[test], chances) for chances in (p, q))
            results.setdefault(name, []).append((*quality, *errors, seconds))
            print(seed, name, np.round(results[name][-1], 4), flush=True)
    print(f"\nMovieLens 100K, {n_seeds} seeds, {threads} threads; 'after' is with the recipe")
    header = ["contestant", "AUC", "per-user AUC", "log loss", "log loss after", "ECE", "ECE after", "seconds"]
    common.print_table(header, [[n, *(f"{v:.4f}" for v in np.mean(r, axis=0))] for n, r in results.items()])
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=["frappe", "ml-100k"], default=["frappe", "ml-100k"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="one seed")
    parser.add_argument("--search", action="store_true", help="choose settings on a share of the training rows")
    parser.add_argument("--only", nargs="+", help="contestants to search for")
    parser.add_argument("--output", help="file for the record")
    options = parser.parse_args()
    if options.search:
        return search(options.threads, options.only)
    record = {"machine": common.machine()}
    n_seeds = 1 if options.quick else options.seeds
    if "frappe" in options.data:
        record["frappe"] = frappe(n_seeds, options.threads)
    if "ml-100k" in options.data:
        record["ml-100k"] = movies(n_seeds, options.threads)
    common.save("ctr", record, options.output)


if __name__ == "__main__":
    main()
