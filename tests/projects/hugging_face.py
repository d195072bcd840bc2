"""A Hugging Face Trainer that teaches a tiny BERT which of two tokens a text has more of."""

import optuna
import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed

from glo_lightning import suggest_loss
from glo_lightning.losses import Loss


def texts(count: int, seed: int) -> list[dict[str, torch.Tensor]]:
    tokens = torch.randint(0, 12, (count, 15), generator=torch.Generator().manual_seed(seed))
    labels = ((tokens == 1).sum(1) > (tokens == 2).sum(1)).long()
    return [{"input_ids": each, "labels": label} for each, label in zip(tokens, labels, strict=True)]


def accuracy(predicted) -> dict[str, float]:
    return {"accuracy": float((predicted.predictions.argmax(-1) == predicted.label_ids).mean())}


def objective(trial: optuna.Trial) -> float:
    loss = suggest_loss(trial, "drive", num_classes=2)
    set_seed(0)
    arguments = TrainingArguments(
        learning_rate=trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True),
        num_train_epochs=3,
        per_device_train_batch_size=32,
        per_device_eval_batch_size=128,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = Trainer(
        model=BertForSequenceClassification(
            BertConfig(vocab_size=12, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
        ),
        args=arguments,
        train_dataset=texts(512, 0),
        eval_dataset=texts(256, 1),
        compute_metrics=accuracy,
        compute_loss_func=lambda outputs, labels, num_items_in_batch=None: loss(outputs.logits, labels),
    )
    trainer.train()
    return trainer.evaluate()["eval_accuracy"]


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=4)
    print("trained:", study.best_value, Loss.from_dict(study.best_trial.user_attrs["loss.stored"]).formula())
