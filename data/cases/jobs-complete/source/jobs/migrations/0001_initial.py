import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Job',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('title', models.CharField(max_length=120)),
                ('queue', models.CharField(max_length=40)),
                ('status', models.CharField(default='open', max_length=20)),
                ('progress', models.PositiveSmallIntegerField(default=0)),
                ('result', models.JSONField(null=True)),
                ('seal', models.CharField(default='', max_length=64)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('started_at', models.DateTimeField(null=True)),
                ('completed_at', models.DateTimeField(null=True)),
                ('assignee', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='jobs', to='accounts.user')),
            ],
            options={
                'indexes': [models.Index(fields=['assignee', 'status'], name='jobs_job_assignee_status')],
            },
        ),
    ]
