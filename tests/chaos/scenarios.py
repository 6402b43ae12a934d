"""What is trained while it is being killed: a line a task and a way to the data, small enough to end in seconds."""

from fakes import available

EVERY = "threads=1 trainer=cpu trainer.log_every_n_steps=5 callbacks.checkpoint.every_n_steps=7"
DIGITS = (
    "data=digits data.train_size=320 data.augment.flip=true data.augment.crop_padding=1 "
    "model=cnn model.channels=[8] model.hidden=16"
)

SCENARIOS = {  # with dropout, augmentation and bucketing: whatever draws random numbers
    "images": f"{DIGITS} epochs=4",
    "images, averaged, stopped early": (
        f"{DIGITS} epochs=9 optimizer.lr=0.1 callbacks=[default,ema,early_stopping] "
        "callbacks.ema.decay=0.9 callbacks.early_stopping.patience=2"
    ),
    "images, accumulated and clipped": f"{DIGITS} epochs=6 trainer.accumulate_grad_batches=2 clip=0.5",
    "images, validated twice an epoch": f"{DIGITS} epochs=4 trainer.val_check_interval=0.5",
    "images, a number of steps": f"{DIGITS} trainer.max_epochs=-1 trainer.max_steps=45",
    "texts in buckets": "data=trec data.batch_size=4 data.window=3 model=lstm model.hidden=8 epochs=4",
    "own texts": "data=text_files data.batch_size=4 tokenizer=word model=transformer model.width=16 epochs=5",
    "streams with a state": "data=ptb data.batch_size=4 model=lstm_lm model.hidden=8 model.dropout=0.2 epochs=3",
    "windows anywhere": (
        "data=ptb data.batch_size=4 data.epoch_steps=20 epochs=3 "
        "model=gpt model.width=16 model.layers=1 model.dropout=0.1"
    ),
    "shards": "data=shards data.batch_size=4 data.buffer=3 model=cnn model.channels=[8] model.hidden=16 epochs=3",
    "shards of texts": ("data=shards data.batch_size=4 data.buffer=3 data.window=3 model=lstm model.hidden=8 epochs=3"),
    "regression": "data=diabetes model=mlp model.dropout=0.1 epochs=6",
    "forecasts": "data=etth1 data.source.sha256=null data.batch_size=4 model=dlinear epochs=2",
    "series": "data=ucr data.batch_size=4 model=lstm model.hidden=8 epochs=5",
}
SCENARIOS = {name: line for name, line in SCENARIOS.items() if available(*line.split())}
