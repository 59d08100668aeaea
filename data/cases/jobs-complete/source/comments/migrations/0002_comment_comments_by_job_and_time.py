from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
        ('comments', '0001_initial'),
        ('jobs', '0003_jobevent'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='comment',
            index=models.Index(fields=['job', 'created_at'], name='comments_by_job_and_time'),
        ),
    ]
