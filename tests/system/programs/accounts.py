"""Objects with methods as tasks, defined in the main script; chains of INOUT; failures that are ignored."""

from pycompss.api.api import compss_barrier, compss_delete_object, compss_wait_on
from pycompss.api.on_failure import on_failure
from pycompss.api.parameter import IN, INOUT
from pycompss.api.task import task


class Account:
    """An account."""

    interest = 10

    def __init__(self, balance=0):
        self.balance = balance
        self.history = []

    @task()
    def deposit(self, amount):
        self.balance += amount
        self.history.append(amount)

    @task(target_direction=IN, returns=int)
    def doubled(self):
        return self.balance * 2

    @classmethod
    @task(returns=int)
    def rate(cls, years):
        return cls.interest * years


@task(returns=Account)
def open_account(balance):
    return Account(balance)


@task(source=INOUT, target=INOUT)
def transfer(source, target, amount):
    source.balance -= amount
    target.balance += amount


@on_failure(management="IGNORE", returns=0)
@task(returns=int)
def audit(account):
    raise RuntimeError(f"no access to {account.balance}")


@task(values=INOUT, priority=True)
def note(values, value):
    values.append(value)


def main():
    mine, yours = Account(100), open_account(50)
    mine.deposit(10)
    yours.deposit(5)
    before = mine.doubled()
    transfer(mine, yours, 20)
    after = mine.doubled()
    assert compss_wait_on(before, after) == [220, 180]
    mine, yours = compss_wait_on(mine), compss_wait_on(yours)
    assert isinstance(yours, Account)
    assert (mine.balance, yours.balance, yours.history) == (90, 75, [5])
    mine.balance += 1  # the program's own change counts
    assert compss_wait_on(mine.doubled()) == 182
    assert compss_wait_on(Account.rate(3)) == 30
    assert compss_wait_on(audit(mine)) == 0
    notes = []
    for number in range(20):
        note(notes, number)
    assert compss_wait_on(notes) == list(range(20))
    assert compss_delete_object(notes)
    compss_barrier()
    print("accounts ok")


if __name__ == "__main__":
    main()
